"""The part of a connection's rate limit that is this triggerer's, while others wait with the same key.

Each triggerer that waits writes a record of its own into a shared store twice a minute, lists the records,
and takes an equal part of the limit. The times of the records are the store's own: no two machines' clocks
are compared.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from kling_airflow.polling.log_lines import say, say_aside
from kling_airflow.polling.rate_limiter import MIN_CALLS_PER_SECOND, RateLimiter
from kling_airflow.redaction import in_short

log = logging.getLogger(__name__)

BEAT_SECONDS: Final = 30.0
"""Seconds from one record of a triggerer to its next."""
BEATS_UNTIL_GONE: Final = 3
"""A triggerer is taken for gone if its record is so many beats older than the newest of the one that asks."""
FIRST_BEAT_PART: Final = 1.1
"""The first beat is a tenth longer, so that every other triggerer has seen the new one before it ends."""
NEWCOMER_PART: Final = 0.1
"""The part of its share that a new triggerer takes in its first beat: the others still use the rest."""
STORE_SECONDS: Final = 20.0
"""Seconds that the store has for one record and one list."""

Announce = Callable[[], Awaitable[tuple[str, Mapping[str, float]]]]
"""Writes this triggerer's record anew, and returns its name and the time of each record, in seconds of the
store's own clock."""


def alive(times: Mapping[str, float], own: str, gone_after: float) -> int:
    """Return how many triggerers are alive, this one included.

    :param times: when each record was last written, by the store's clock.
    :param own: the name of this triggerer's record, which has just been written: its time is the store's now.
    :param gone_after: the age of a record, in seconds, from which its triggerer is taken for gone.
    """
    now = times.get(own, max(times.values(), default=0.0))
    return 1 + sum(now - at < gone_after for name, at in times.items() if name != own)


class LimitShare:
    """Keeps a rate limiter at this triggerer's share of the limit.

    While the store gives no answer, the share stays as it is: the polls go on.

    :param rate_limiter: the limiter.
    :param announce: see :data:`Announce`; None if there is no shared store.
    :param triggerers: how many triggerers share the limit, until they have been counted.
    :param beat_seconds: seconds from one record to the next.
    """

    def __init__(
        self,
        rate_limiter: RateLimiter,
        announce: Announce | None,
        *,
        triggerers: int = 1,
        beat_seconds: float | None = None,
    ) -> None:
        self._rate_limiter = rate_limiter
        self._announce = announce
        self._beat = BEAT_SECONDS if beat_seconds is None else beat_seconds
        self._answered_at: float | None = None
        self._store_is_away = False
        rate_limiter.set_share(1 / triggerers)

    async def keep(self) -> None:
        """Count the triggerers every beat, until cancelled."""
        now = asyncio.get_running_loop().time
        while self._announce is not None:
            began, first = now(), self._answered_at is None
            await self._count(self._announce, now)
            beat = self._beat * (FIRST_BEAT_PART if first else 1.0)
            await asyncio.sleep(max(self._beat / 2, began + beat - now()))

    async def _count(self, announce: Announce, now: Callable[[], float]) -> None:
        try:
            async with asyncio.timeout(STORE_SECONDS):
                own, times = await announce()
        except Exception as error:
            if not self._store_is_away:
                self._store_is_away = True
                await say(
                    log.warning,
                    "The triggerers that share this rate limit can't be counted: %s. No clip is bought or"
                    " lost because of it: this triggerer goes on with its last share, %.3g calls a second.",
                    in_short(error),
                    self._rate_limiter.max_rate,
                )
            return
        if self._store_is_away:
            self._store_is_away = False
            await say(log.info, "The triggerers that share this rate limit are counted again.")
        self.record_count(alive(times, own, self._beat * BEATS_UNTIL_GONE), now())

    def record_count(self, triggerers: int, now: float) -> None:
        """Take the share that follows from a count.

        :param triggerers: how many there are, this one included.
        :param now: seconds of a monotonic clock.
        """
        share, before = 1 / triggerers, self._answered_at
        self._answered_at = now
        if before is None and triggerers > 1:
            least = min(1.0, MIN_CALLS_PER_SECOND / self._rate_limiter.limit)
            share = min(share, max(share * NEWCOMER_PART, least))
        elif before is not None and now - before > self._beat * (BEATS_UNTIL_GONE - 1):
            # The store was away, for the others perhaps as well: their records are old, and they poll.
            share = min(share, self._rate_limiter.share)
        if share != self._rate_limiter.share:
            say_aside(
                log.info,
                "%d triggerers wait with this key; this one makes at most %.3g calls a second",
                triggerers,
                self._rate_limiter.limit * share,
            )
            self._rate_limiter.set_share(share)
