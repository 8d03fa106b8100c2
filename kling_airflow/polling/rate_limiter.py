"""How fast a connection's calls are made, and when they pause. Pure: every method is told the time.

A whole connection slows down at once: a 429 for one request means all requests of the key.
"""

from __future__ import annotations

import random
from typing import Final

MAX_CALLS_PER_SECOND: Final = 50.0
"""Default limit for one connection. GMI Cloud has published no limit for reading."""
MIN_CALLS_PER_SECOND: Final = 0.2
"""However often the queue answers 429, one call in five seconds is still made."""
MAX_BACKOFF: Final = 60.0
"""Seconds of the longest pause after failures without a `Retry-After`."""
MAX_RETRY_AFTER: Final = 900.0
"""Seconds. A longer `Retry-After` is taken for a mistake: the wait has a deadline of its own."""
_RECOVERY_PART = 0.02
_BURST_SECONDS = 0.2
_MAX_BACKOFF_EXPONENT = 10


class RateLimiter:
    """Spreads the calls of one connection evenly, slows them after a 429, pauses them during an outage.

    All times are seconds of one monotonic clock.

    :param max_rate: calls per second that are never exceeded, bursts of a fifth of a second aside.
    :param min_rate: calls per second that a 429 never goes below. Both are divided by :meth:`set_share`.
    """

    def __init__(
        self, max_rate: float = MAX_CALLS_PER_SECOND, min_rate: float = MIN_CALLS_PER_SECOND
    ) -> None:
        self.limit = max_rate
        """Calls per second of all triggerers together."""
        self.share = 1.0
        """The part of the limit that is this limiter's."""
        self.rate = max_rate
        self._min_rate = min_rate
        self._next_call_at = 0.0
        self._paused_until = 0.0
        self._paused_at = -1.0
        self._failures = 0

    @property
    def max_rate(self) -> float:
        """Calls per second that this limiter never exceeds."""
        return self.limit * self.share

    @property
    def min_rate(self) -> float:
        """Calls per second that a 429 never goes below."""
        return min(self._min_rate, self.limit) * self.share

    def lower_max_rate(self, max_rate: float) -> None:
        """Lower the limit, if this one is lower."""
        self.limit = min(self.limit, max_rate)
        self.rate = min(self.rate, self.max_rate)

    def set_share(self, share: float) -> None:
        """Set the part of the limit that is this limiter's; a limiter that a 429 slowed stays as slow.

        :param share: above 0, at most 1.
        """
        self.rate *= share / self.share
        self.share = share

    def reserve(self, now: float) -> float:
        """Reserve the next free moment for a call and return it; it is `now` if the limit allows."""
        at = max(now, self._next_call_at, self._paused_until)
        # Idle time can be made up for, up to a fifth of a second's calls: rounds come in bursts.
        self._next_call_at = max(self._next_call_at, at - _BURST_SECONDS) + 1.0 / self.rate
        return at

    def pause_left(self, now: float) -> float:
        """Return the seconds until the current pause ends; 0 without a pause."""
        return max(0.0, self._paused_until - now)

    @property
    def failing(self) -> bool:
        """Whether all calls since the last good response have failed."""
        return self._failures > 0

    def record_response(self) -> None:
        """Record a good response."""
        self._failures = 0
        self.rate = min(self.max_rate, self.rate + self.max_rate * _RECOVERY_PART)

    def record_failure(
        self, now: float, *, asked_at: float, retry_after: float | None = None, limited: bool = False
    ) -> float:
        """Record a failed call and return the pause that follows, in seconds; 0 for none.

        A single failure may be about one request only. Two failures in a row, a 429 or a `Retry-After` pause
        the connection. Calls that were made before the pause began do not make it longer.

        :param asked_at: when the failed call was made.
        :param retry_after: seconds the queue asked for.
        :param limited: whether the response was a 429.
        """
        made_before_pause = asked_at <= self._paused_at
        if limited and not made_before_pause:
            self.rate = max(self.min_rate, self.rate / 2)
        if not made_before_pause:
            self._failures += 1
        if retry_after is None and (made_before_pause or (self._failures < 2 and not limited)):
            return 0.0
        exponent = min(max(0, self._failures - 1), _MAX_BACKOFF_EXPONENT)
        pause = min(MAX_BACKOFF, 2.0**exponent) * random.uniform(0.5, 1)  # noqa: S311 -- spreads load, hides nothing
        if retry_after is not None:
            pause = max(pause, min(retry_after, MAX_RETRY_AFTER))
        self._paused_until = max(self._paused_until, now + pause)
        self._paused_at = now
        return pause
