"""Threads in which the shots of a storyboard are submitted and landed, several at a time."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from kling_airflow.airflow_compat import threads_may_call_airflow
from kling_airflow.task.stop_flag import Stopped

if TYPE_CHECKING:
    from kling_airflow.task.shot_progress import ShotProgress
    from kling_airflow.task.stop_flag import StopFlag

THREADS: Final = 8
"""Shots that are submitted or landed at the same time, at most: each needs a connection, and memory for a
frame or for a block of a clip."""


def in_threads(work: Sequence[tuple[ShotProgress, Callable[[ShotProgress], None]]], stop: StopFlag) -> None:
    """Do some work, several shots at a time; what each shot meets is its own.

    :param work: takes, and what is done with each.
    :param stop: set when the task is told to end.
    :raises Stopped: if the task was told to end.
    """
    if not threads_may_call_airflow():
        for each, step in work:
            step(each)
        return
    with ThreadPoolExecutor(min(THREADS, len(work)), thread_name_prefix="kling-shot") as pool:
        futures: list[Future[None]] = [
            pool.submit(contextvars.copy_context().run, step, each) for each, step in work
        ]
        try:
            for future in futures:
                future.exception()
        except BaseException:
            # Airflow ends the task (`execution_timeout`). A POST that has left is finished and stored.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    errors = [error for future in futures if (error := future.exception()) is not None]
    # What is not of this package, such as a store that refuses a replaced try, ends the whole try.
    if errors:
        raise min(errors, key=lambda error: isinstance(error, Stopped))
