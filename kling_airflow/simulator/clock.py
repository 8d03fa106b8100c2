"""The simulator's clocks: the machine's, a skewed one, and one that a test moves."""

from __future__ import annotations

import asyncio
import threading
import time


class Clock:
    """The machine's clock. Seconds since the epoch, as the queue's timestamps."""

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of this clock."""
        await asyncio.sleep(max(0.0, seconds))


class SkewedClock(Clock):
    """A clock that runs ahead of or behind another clock.

    :param clock: the other clock.
    :param seconds: how far this clock is ahead of the other; negative is behind.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._clock.now() + self._seconds

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of the other clock."""
        await self._clock.sleep(seconds)


class ManualClock(Clock):
    """A clock that stands still until `advance` is called, from any thread.

    :param start: the first reading, seconds since the epoch.
    """

    def __init__(self, start: float = 1_760_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the time in seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move the clock forward; return the new time.

        :param seconds: how far, at least 0.
        :raises ValueError: when asked to go back.
        """
        if seconds < 0:
            raise ValueError(f"A clock never goes back: advance({seconds}).")
        with self._lock:
            self._now += seconds
            return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved the clock that far."""
        until = self._now + seconds
        while self._now < until:  # noqa: ASYNC110 - advance() is called from other threads
            await asyncio.sleep(0.005)
