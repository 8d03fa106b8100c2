"""One clip bought in TaskFlow code, as safely as an operator buys it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import airflow_errors

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context
    from kling_airflow.operators.base import GenerationOperator


def buy(*, context: Mapping[str, Any] | None = None, **arguments: Any) -> Any:
    """Buy a clip inside a ``@task``, once, however often the task runs; wait for it on the worker.

    ``GMICloudHook().get_conn().submit(...)`` in a ``@task`` buys again in every retry. ``buy`` keeps the
    ledger that the operators keep, so that a retry or a clear returns the clip that was paid for. The same
    arguments a second time in one task return the same clip; ``take=2`` buys another.

    ::

        @task
        def clip(shot):
            return buy(image=shot["image"], prompt=shot["prompt"], duration=5, max_cost_usd=1)

    :param context: the task's context; None for the one of the running task.
    :param arguments: those of ``GMICloudRequestOperator`` if ``payload`` is among them, of
        ``KlingCreateElementOperator`` if ``element_name`` is, of ``KlingOmniOperator`` if ``mode``,
        ``shots``, ``elements``, ``references`` or ``video`` is, of ``KlingImageToVideoOperator`` if ``image``
        is, else of ``KlingTextToVideoOperator``. ``task_id`` and ``deferrable`` are set here. With
        ``wait_for_completion=False`` the request id is returned.
    :return: the clip, as the operators return it.
    """
    if context is None:
        from kling_airflow.airflow_compat import get_current_context

        context = get_current_context()
    with airflow_errors():
        if "deferrable" in arguments or "task_id" in arguments:
            raise InvalidArgument("`buy` sets `task_id` and `deferrable` itself: leave them out.")
        operator = _operator(context, arguments)
        until = time.time() + operator.submission_seconds
    return operator.resume_submission(cast("Context", context), until=until)


_OF_OMNI = frozenset({"mode", "shots", "elements", "references", "video"})
"""Arguments that only ``KlingOmniOperator`` has."""


def _operator(context: Mapping[str, Any], arguments: Mapping[str, Any]) -> GenerationOperator:
    from kling_airflow.operators.create_element import KlingCreateElementOperator
    from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
    from kling_airflow.operators.omni import KlingOmniOperator
    from kling_airflow.operators.request import GMICloudRequestOperator
    from kling_airflow.operators.text_to_video import KlingTextToVideoOperator

    kind: type[GenerationOperator] = KlingTextToVideoOperator
    if "payload" in arguments:
        kind = GMICloudRequestOperator
    elif "element_name" in arguments:
        kind = KlingCreateElementOperator
    elif not _OF_OMNI.isdisjoint(arguments):
        kind = KlingOmniOperator
    elif "image" in arguments:
        kind = KlingImageToVideoOperator
    task: Any = context.get("task")
    given: dict[str, Any] = {"wait_for_completion": True, "retries": getattr(task, "retries", 0) or 0} | dict(
        arguments
    )
    return kind(task_id=context["ti"].task_id, deferrable=False, **given)
