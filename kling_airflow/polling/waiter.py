"""One wait, as its waiter holds it: a future of its own, which nobody else's end touches."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Callable
from typing import Self

from kling_airflow.errors import KlingError, PollerCrashed, Unreachable
from kling_airflow.gmi.request import Request
from kling_airflow.polling.decision import Wait

GRACE = 15.0
"""Seconds after the deadline in which the last look may still bring a clip."""
_UNASKED = 1.5
"""How much longer than it asked a waiter is left alone when no look comes to wake it."""


class Waiter:
    """One waiter's hold on the poller. Use it in `with`: it is let go of without an await.

    Ten thousand may be held at once: whatever it keeps, the garbage collector walks through.

    :param wait: what is waited for, and until when.
    :param interval: seconds between two looks.
    :param let_go: called once when the waiter is done with it, however it ends.
    :param context: for its alarm, which reads nothing of it; else each keeps a copy of its own.
    """

    __slots__ = (
        "_context",
        "_crash",
        "_end",
        "_future",
        "_let_go",
        "_silent_until",
        "interval",
        "next_look_at",
        "seen",
        "since",
        "wait",
    )

    def __init__(
        self, wait: Wait, interval: float, let_go: Callable[[Waiter], None], context: contextvars.Context
    ) -> None:
        self.wait = wait
        self.interval = interval
        self.since = time.time()
        self.seen: Request | KlingError | None = None
        self.next_look_at: float | None = None
        """When the next look is due, in seconds of the event loop's clock."""
        self._let_go = let_go
        self._context = context
        self._end: Request | KlingError | None = None
        self._crash: PollerCrashed | None = None
        self._future: asyncio.Future[None] | None = None
        self._silent_until = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go(self)

    async def end(self, *, within: float) -> Request | KlingError | None:
        """Return what ended the wait, or None when it goes on after so many seconds.

        It returns with a look rather than between two, so that what is told of it is fresh, and those who
        wait for thousands are woken together. Where no look comes, it is half as long again.

        :raises PollerCrashed: an exception of its own for each waiter.
        """
        loop = asyncio.get_running_loop()
        until_deadline = self.wait.deadline + GRACE - time.time()
        if self._end is None and self._crash is None:
            self._future = loop.create_future()
            self._silent_until = time.time() + within
            silence = max(0.0, min(within * _UNASKED, until_deadline))
            alarm = loop.call_later(silence, self._wake, context=self._context)
            try:
                await self._future
            finally:
                alarm.cancel()
                self._future = None
        if self._crash is not None:
            raise self._crash
        if self._end is None and time.time() >= self.wait.deadline + GRACE:
            self.look(self.seen or Unreachable("The queue could not be asked in time."), None)
        return self._end

    def look(self, seen: Request | KlingError, last_answer_at: float | None) -> bool:
        """Take in what a look brought; return whether it ends the wait.

        :param last_answer_at: when the connection last gave a good answer, in Unix seconds.
        """
        self.seen = seen
        # Silence counts from the beginning of this watch at the earliest: a triggerer that has just
        # started knows of no answers.
        answered = max(self.since, last_answer_at or 0.0)
        now = time.time()
        end = self.wait.decide(seen, now=now, last_answer_at=answered)
        if end is not None:
            self._end = end
        if end is not None or now >= self._silent_until:
            self._wake()
        return end is not None

    def crash(self, why: BaseException) -> None:
        """End the wait with an exception of its own."""
        self._crash = PollerCrashed(
            f"The shared poll that watched request {self.wait.request_id} broke down"
            f" ({type(why).__name__}: {why}). The request is alive."
        )
        self._crash.__cause__ = why
        self._wake()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to tell it."""
        return self._end is not None or self._crash is not None

    def _wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)
