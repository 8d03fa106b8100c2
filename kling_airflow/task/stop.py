"""How a task that is told to end gets out of a wait: a flag, seen where it is safe to see it."""

from __future__ import annotations

import time
from typing import Final, Self

from kling_airflow.airflow_compat import AirflowException
from kling_airflow.errors import KlingError, Money

_SLICE: Final = 0.5


class Stopped(Exception):
    """The task was told to end while it waited."""


class TaskStopped(KlingError, AirflowException):
    """The task was told to end; where that wasn't its user's wish, the next try goes on.

    :param over: whether a user has ended the task.
    """

    over: bool = False

    @classmethod
    def while_submitting(cls, *, durable: bool) -> Self:
        """Return the error of a task that was stopped before it had a request id."""
        return cls(
            "The task was stopped while it submitted.",
            money=Money.UNKNOWN,
            todo="What it may have sent is written down: the next try looks for it before it sends anything."
            if durable
            else "`durable=False` remembers nothing: look in the GMI Cloud console before you run it again.",
        )

    @classmethod
    def while_waiting(cls, request_id: str, *, over: bool, cancelled: bool) -> Self:
        """Return the error of a task that was stopped while its request was alive.

        :param over: whether a user has ended the task.
        :param cancelled: whether the request was cancelled over it.
        """
        if cancelled:
            what = f"The task was ended while it waited, and request {request_id} was cancelled."
            money, todo = Money.CANCELLED, "Clear the task to submit anew."
        elif over:
            what = f"The task was ended while it waited, and request {request_id} goes on."
            money, todo = Money.HELD, "Clear the task to wait for it and buy nothing."
        else:
            what = f"The task was stopped while it waited for request {request_id}; no user has ended it."
            money, todo = Money.HELD, "The next try waits for it and buys nothing."
        stopped = cls(what, money=money, todo=todo, request_id=request_id)
        stopped.over = over
        return stopped

    @classmethod
    def between_two(cls, error: KlingError) -> Self:
        """Return the error of a task that was stopped before it bought again what had failed."""
        return cls(
            f"The task was stopped before it submitted anew. {error.what}",
            money=Money.NOT_BILLED,
            todo="The next try submits anew.",
            request_id=error.request_id,
        )


class StopFlag:
    """A wish to end, and sleeping that heeds it."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        """Wish that the task ends. Called from a signal handler: sets a flag and nothing else."""
        self.asked = True

    def check(self) -> None:
        """Raise :class:`Stopped` if the task is to end."""
        if self.asked:
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Sleep, but not on after the task was told to end.

        :raises Stopped: if it was.
        """
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE))
            self.check()
