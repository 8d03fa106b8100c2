"""One waiter: a future of its own, which the end of another waiter does not touch."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from typing import Self

from kling_airflow.errors import KlingError, NotFound, PollerCrashed, Unauthorized, Unreachable
from kling_airflow.gmi.request import Request
from kling_airflow.polling.decision import Wait

DEADLINE_GRACE = 15.0
"""Seconds after the deadline in which the last look may still bring a clip."""
_WAKE_WITHOUT_LOOK = 1.5
"""If no look comes, a waiter is woken after this many times the seconds it asked for."""


class Waiter:
    """What a trigger holds while it waits. Use it in `with`: it leaves the poller without an await.

    A process may hold ten thousand waiters, and the garbage collector walks through all they keep: hence
    `__slots__`, and the shared context.

    :param wait: which request, and until when.
    :param interval: seconds between two looks.
    :param on_exit: called once when the waiter leaves, however its wait ended.
    :param context: for the waiter's alarm, which reads no variable. Without it, each alarm would hold a copy.
    :param on_look: gets what each look brought; it must not raise. None for nothing.
    """

    __slots__ = (
        "_alarm_context",
        "_crash",
        "_future",
        "_on_exit",
        "_on_look",
        "_quiet_until",
        "_result",
        "interval",
        "last_seen",
        "next_look_at",
        "refused_since",
        "started_at",
        "wait",
    )

    def __init__(
        self,
        wait: Wait,
        interval: float,
        on_exit: Callable[[Waiter], None],
        context: contextvars.Context,
        on_look: Callable[[Request | KlingError], None] | None = None,
    ) -> None:
        self.wait = wait
        self.interval = interval
        self.started_at = time.time()
        self.last_seen: Request | KlingError | None = None
        self.next_look_at: float | None = None
        """When the next look is due, in seconds of the event loop's clock."""
        self.refused_since: float | None = None
        """Since when the queue has refused the key, in Unix seconds; None while it does not."""
        self._on_exit = on_exit
        self._on_look = on_look
        self._alarm_context = context
        self._result: Request | KlingError | None = None
        self._crash: PollerCrashed | None = None
        self._future: asyncio.Future[None] | None = None
        self._quiet_until = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._on_exit(self)

    async def result(self, *, within: float) -> Request | KlingError | None:
        """Return what ended the wait, or None if the wait goes on after `within` seconds.

        The method returns just after a look, so that `last_seen` is fresh and waiters are woken together. If
        no look comes, it returns after half as long again. It returns at once after a look that the queue
        has refused, so that the caller can read the connection again.

        :raises PollerCrashed: a separate exception for each waiter.
        """
        loop = asyncio.get_running_loop()
        until_deadline = self.wait.deadline + DEADLINE_GRACE - time.time()
        if not self.done:
            self._future = loop.create_future()
            self._quiet_until = time.time() + within
            longest = max(0.0, min(within * _WAKE_WITHOUT_LOOK, until_deadline))
            alarm = loop.call_later(longest, self._wake, context=self._alarm_context)
            try:
                await self._future
            finally:
                alarm.cancel()
                self._future = None
        if self._crash is not None:
            raise self._crash
        if self._result is None and time.time() >= self.wait.deadline + DEADLINE_GRACE:
            self.record_look(self.last_seen or Unreachable("The queue could not be asked in time."), None)
        return self._result

    def record_look(self, seen: Request | KlingError, last_response_at: float | None) -> bool:
        """Record what a look brought; return whether it ends the wait.

        :param last_response_at: when the connection last gave a good response, in Unix seconds.
        """
        self.last_seen = seen
        if self._on_look is not None:
            self._on_look(seen)
        # The time without a response starts with this waiter at the earliest: a triggerer that has just
        # started knows of no earlier response.
        response_at = max(self.started_at, last_response_at or 0.0)
        now = time.time()
        refused = isinstance(seen, Unauthorized)
        if refused:
            self.refused_since = self.refused_since or now
        elif isinstance(seen, Request | NotFound):
            self.refused_since = None
        result = self.wait.decide(
            seen, now=now, last_response_at=response_at, refused_since=self.refused_since
        )
        if result is not None:
            self._result = result
        if result is not None or refused or now >= self._quiet_until:
            self._wake()
        return result is not None

    def crash(self, error: BaseException) -> None:
        """End the wait with an exception of its own."""
        self._crash = PollerCrashed(
            f"The shared poll that watched request {self.wait.request_id} broke down"
            f" ({type(error).__name__}: {error}). The request is alive."
        )
        self._crash.__cause__ = error
        self._wake()

    @property
    def done(self) -> bool:
        """Whether the wait has ended, by a result or by a crash."""
        return self._result is not None or self._crash is not None

    def _wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)
