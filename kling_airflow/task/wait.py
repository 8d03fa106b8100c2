"""The wait of an operator: look once and defer, or look on until the end, and end well when stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.airflow_compat import AirflowTaskTimeout
from kling_airflow.errors import KlingError, Unreachable
from kling_airflow.gmi.request import Request
from kling_airflow.task.state import task_is_over
from kling_airflow.task.stop import StopFlag, Stopped, TaskStopped

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.polling.decision import Wait
    from kling_airflow.submission.order import Log


def watch(
    wait: Wait,
    client: GMIClient,
    log: Log,
    *,
    interval: float,
    stopping: StopFlag,
    context: Mapping[str, Any],
    cancel_on_kill: bool,
    cancel_on_timeout: bool,
    defer: Callable[[], None] | None,
) -> Request:
    """Return the request when its clip is there.

    :param interval: seconds between two looks.
    :param stopping: whether the task was told to end.
    :param defer: gives the worker slot back after the first look; None to look on here.
    :raises KlingError: whatever ended the wait.
    """
    last_answer_at: float | None = None
    try:
        while True:
            stopping.check()
            seen = _look(client, wait.request_id)
            now = time.time()
            end = wait.decide(seen, now=now, last_answer_at=last_answer_at)
            if isinstance(end, KlingError):
                raise end
            if end is not None:
                return end
            if defer is not None:
                defer()
            if isinstance(seen, KlingError):
                log.warning("Request %s: %s Waiting on.", wait.request_id, seen.what)
            else:
                last_answer_at = now
                log.info("Request %s is %s.", wait.request_id, seen.status_text)
            retry_after = seen.retry_after if isinstance(seen, Unreachable) else None
            stopping.sleep(wait.next_look(now, interval, retry_after=retry_after))
    except Stopped:
        raise stopped(wait.request_id, client, context, cancel=cancel_on_kill) from None
    except AirflowTaskTimeout:
        # A BaseException: nothing between here and the task's end would see it.
        if cancel_on_timeout:
            log.info(
                "Cancelled request %s at `execution_timeout`: %s.",
                wait.request_id,
                client.cancel(wait.request_id),
            )
        raise


def _look(client: GMIClient, request_id: str) -> Request | KlingError:
    try:
        return client.get(request_id)
    except KlingError as error:
        return error


def stopped(request_id: str, client: GMIClient, context: Mapping[str, Any], *, cancel: bool) -> TaskStopped:
    """Cancel the request if a user has ended the task; in every other case the next try re-attaches.

    It talks to Airflow and must not be called in a signal handler.

    :param cancel: whether it may be cancelled at all.
    :return: the error to raise.
    """
    over = task_is_over(context["ti"])
    return TaskStopped.while_waiting(
        request_id, over=over, cancelled=over and cancel and client.cancel(request_id)
    )
