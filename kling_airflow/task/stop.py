"""How a task that is told to end (SIGTERM, ``on_kill``) stops: at a place where no submission is lost.

The signal handler sets a flag and does nothing else, because a call to Airflow in a signal handler
dead-locks (Airflow 3.3.2). The code that waits checks the flag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from kling_airflow.airflow_compat import AirflowException, AirflowTaskTimeout
from kling_airflow.errors import KlingError, Money
from kling_airflow.task.stop_flag import StopFlag, Stopped
from kling_airflow.task_instance.state import TaskEnd, task_end

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import Log
    from kling_airflow.task.options import GenerationOptions


class TaskStopped(KlingError, AirflowException):
    """The task was told to end. If no user asked for that, the next try goes on.

    :param end: how the task has ended, by its state.
    """

    end: TaskEnd = TaskEnd.NOT_ENDED

    @classmethod
    def while_submitting(cls, *, durable: bool, sent: bool) -> Self:
        """Return the error of a task that was stopped before it had a request id.

        :param sent: whether a POST may have reached the queue.
        """
        if not sent:
            return cls(
                "The task was stopped before it sent anything.",
                money=Money.UNSPENT,
                todo="The next try submits.",
            )
        return cls(
            "The task was stopped while it submitted.",
            money=Money.UNKNOWN,
            todo="The ledger says what was sent: the next try looks for it before it sends anything."
            if durable
            else "`durable=False` keeps no record: look in the GMI Cloud console before the task runs again.",
        )

    @classmethod
    def while_waiting(cls, request_id: str, *, end: TaskEnd, cancelled: bool) -> Self:
        """Return the error of a task that was stopped while its request was alive.

        :param end: how the task has ended.
        :param cancelled: whether the request was cancelled because of that.
        """
        money = Money.HELD
        if cancelled:
            what = f"A user ended the task while it waited, and request {request_id} was cancelled."
            money, todo = Money.CANCELLED, "Clear the task to submit anew."
        elif end is TaskEnd.BY_USER:
            what = f"A user ended the task while it waited, and request {request_id} goes on."
            todo = "Clear the task to wait for the request and buy nothing."
        elif end is TaskEnd.UNCLEAR:
            what = f"While the task waited for request {request_id}, {end.value}. The request goes on."
            todo = (
                "Clear the task to wait for the request and buy nothing, or cancel the request in the GMI"
                " Cloud console."
            )
        else:
            what = f"The task was stopped while it waited for request {request_id}; no user has ended it."
            todo = "The next try waits for the request and buys nothing."
        error = cls(what, money=money, todo=todo, request_id=request_id)
        error.end = end
        return error

    @classmethod
    def before_resubmission(cls, error: KlingError) -> Self:
        """Return the error of a task that was stopped before it replaced a failed request.

        :param error: how the request failed.
        """
        return cls(
            f"The task was stopped before it submitted anew. {error.what}",
            money=Money.NOT_BILLED,
            todo="The next try submits anew.",
            request_id=error.request_id,
        )


@contextmanager
def stopping_safely(
    request_id: str,
    client: GMIClient,
    log: Log,
    context: Mapping[str, Any],
    options: GenerationOptions,
) -> Iterator[None]:
    """Run a wait on a worker; when the task is told to end, cancel the request only if a user wants that.

    :param options: says whether the request is cancelled when a user ends the task (``cancel_on_kill``), and
        at ``execution_timeout`` (``cancel_on_timeout``).
    :raises TaskStopped: in place of :class:`Stopped`.
    """
    try:
        yield
    except Stopped:
        raise task_stopped(request_id, client, context, options) from None
    except AirflowTaskTimeout:
        # A BaseException: nothing between here and the task's end would see it.
        if options.cancel_on_timeout:
            cancelled = client.cancel(request_id)
            log.info("Cancelled request %s at `execution_timeout`: %s.", request_id, cancelled)
        raise


def task_stopped(
    request_id: str, client: GMIClient, context: Mapping[str, Any], options: GenerationOptions
) -> TaskStopped:
    """Cancel the request if a user has ended the task, and return the error to raise.

    In every other case the request stays alive and the next try re-attaches to it. This function asks
    Airflow, so it must not be called in a signal handler.

    :param options: says whether the request may be cancelled at all (``cancel_on_kill``).
    """
    end = task_end(context["ti"], fail_fast=bool(getattr(context.get("dag"), "fail_fast", False)))
    cancelled = end is TaskEnd.BY_USER and options.cancel_on_kill and client.cancel(request_id)
    return TaskStopped.while_waiting(request_id, end=end, cancelled=cancelled)


def raise_if_ended(
    stop: StopFlag, request_id: str, client: GMIClient, context: Mapping[str, Any], options: GenerationOptions
) -> None:
    """Cancel a request, and raise, if a user ended the task while it submitted."""
    if stop.is_set:
        error = task_stopped(request_id, client, context, options)
        if error.end is not TaskEnd.NOT_ENDED:
            raise error
