"""How fast a connection is asked, and when it is left alone. Pure: every method is told the time.

A whole connection slows down at once: a queue that says "too many" to one trigger means all of them.
"""

from __future__ import annotations

import random
from typing import Final

CEILING: Final = 50.0
"""Calls per second of one connection. Nobody has published a limit for reading (contract)."""
FLOOR: Final = 0.2
"""However often the queue says "too many", one call in five seconds is still made."""
LONGEST_PAUSE: Final = 60.0
LONGEST_RETRY_AFTER: Final = 900.0
"""A Retry-After beyond this is taken for a mistake: the wait has a deadline of its own."""
_RECOVERY = 0.02


class RateLimiter:
    """The calls of one connection: spread evenly, slowed by 429, stopped by silence.

    All times are seconds of one monotonic clock.

    :param ceiling: calls per second that are never exceeded, one second's worth at once aside.
    :param floor: calls per second that 429 never slows it below.
    """

    def __init__(self, ceiling: float = CEILING, floor: float = FLOOR) -> None:
        self.ceiling = ceiling
        self.floor = min(floor, ceiling)
        self.rate = ceiling
        self._next = 0.0
        self._paused_until = 0.0
        self._paused_at = -1.0
        self._failures = 0

    def lower(self, ceiling: float) -> None:
        """Lower the ceiling, if this one is lower."""
        self.ceiling = min(self.ceiling, ceiling)
        self.floor = min(self.floor, self.ceiling)
        self.rate = min(self.rate, self.ceiling)

    def reserve(self, now: float) -> float:
        """Take the next free moment for a call and return it; it is `now` when nothing holds it up."""
        at = max(now, self._next, self._paused_until)
        # What lies idle can be made up for, up to a fifth of a second's calls: rounds come in bursts.
        self._next = max(self._next, at - 0.2) + 1.0 / self.rate
        return at

    def paused(self, now: float) -> float:
        """Return the seconds for which the connection is left alone."""
        return max(0.0, self._paused_until - now)

    @property
    def failing(self) -> bool:
        """Whether nothing but failures has come back since the last good answer."""
        return self._failures > 0

    def answered(self) -> None:
        """Note a good answer."""
        self._failures = 0
        self.rate = min(self.ceiling, self.rate + self.ceiling * _RECOVERY)

    def failed(
        self, now: float, *, asked_at: float, retry_after: float | None = None, limited: bool = False
    ) -> float:
        """Note a failure and return the pause it brings, 0 for none.

        A single failure may be about one request only: it takes two in a row, or the queue's own word, to
        stop the connection. Calls that were under way when it was stopped don't stop it for longer.

        :param asked_at: when the failed call was made.
        :param retry_after: seconds the queue asked for.
        :param limited: whether it was a 429.
        """
        if limited:
            self.rate = max(self.floor, self.rate / 2) if asked_at > self._paused_at else self.rate
        late = asked_at <= self._paused_at
        if not late:
            self._failures += 1
        if retry_after is None and (late or (self._failures < 2 and not limited)):
            return 0.0
        pause = min(LONGEST_PAUSE, 2.0 ** min(max(0, self._failures - 1), 10)) * random.uniform(0.5, 1)  # noqa: S311 -- spreads load, hides nothing
        if retry_after is not None:
            pause = max(pause, min(retry_after, LONGEST_RETRY_AFTER))
        if now + pause > self._paused_until:
            self._paused_until = now + pause
        self._paused_at = now
        return pause
