"""A pause of a task: slept on the worker, or spent in the triggerer, where it holds no worker slot."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import BaseOperator
    from kling_airflow.task.stop_flag import StopFlag

DEFER_FROM: Final = 60.0
"""Seconds. Shorter pauses are slept on the worker: Airflow 3.3 fails some very short deferrals as a "state
mismatch" (4 of 24 that lasted 1 to 3 s, measured on 3.3.2)."""


def pause(
    task: BaseOperator,
    seconds: float,
    stop: StopFlag,
    *,
    may_defer: bool,
    resume_with: str,
    kwargs: Mapping[str, Any],
) -> None:
    """Sleep, or defer if that is allowed and worth it.

    :param stop: ends the sleep when the task is told to end.
    :param may_defer: whether nothing is lost if the process ends.
    :param resume_with: the method of the task that a deferral comes back to.
    :param kwargs: what that method gets; plain JSON.
    :raises Stopped: if the task was told to end while it slept.
    """
    if not may_defer or seconds < DEFER_FROM:
        stop.sleep(seconds)
        return
    from airflow.providers.standard.triggers.temporal import DateTimeTrigger

    task.defer(
        trigger=DateTimeTrigger(moment=datetime.now(UTC) + timedelta(seconds=seconds)),
        method_name=resume_with,
        kwargs=dict(kwargs),
    )
