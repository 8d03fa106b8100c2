"""Whether the list is worth its calls, and how far to read it. Pure: pages go in, offsets come out.

The call by id is documented, so it is always there; the list is a saving. It is used as long as it has
cost less than asking by id would, and left alone for longer each time that it has not. So whatever it
does (refuse, lag, ignore its parameters, show others' requests), the price is bounded, and whatever it
doesn't show is asked by id in the same round.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kling_airflow.gmi.protocol import PAGE_SIZE
from kling_airflow.gmi.request import Page, Request

PAGE_COST = 4
"""A page weighs as much as so many reads by id: it is one call, but of a hundred records."""
WIDTH = 4
"""How many pages are asked for at once, once it is known how many there will be."""
SLACK = 2.0
"""Seconds within which two stamps of whole seconds, of two clocks of one service, agree."""
LONGEST_LEFT_ALONE = 600.0


class Scan:
    """One reading of a model's list, newest first, in search of some requests.

    :param wanted: the ids of what is due.
    :param expected: how many pages it took the last time.
    :param limit: rows to ask for in a call.
    """

    def __init__(self, wanted: Iterable[str], *, expected: int = 1, limit: int = PAGE_SIZE) -> None:
        self.missing = set(wanted)
        self.wanted = len(self.missing)
        self.pages = 0
        self.deepest = 0
        self.newest: int | None = None
        self.served_at: float | None = None
        self._limit = limit
        self._expected = expected
        self._step = limit
        self._asked = 0
        self._total: int | None = None
        self._seen: set[str] = set()
        self._best = 0
        self._over = not self.missing

    def next(self) -> list[int]:
        """Return the offsets to ask for now, all at once; none when the reading is over."""
        if self._over:
            return []
        width = 1 if self.pages == 0 else max(1, min(WIDTH, self._expected - self.pages))
        offsets = [self._asked + number * self._step for number in range(width)]
        if self._total is not None:
            offsets = [offset for offset in offsets if offset < self._total]
        if not offsets:
            self._over = True
            return []
        self._asked = offsets[-1] + self._step
        return offsets

    def take(self, offset: int, page: Page) -> list[Request]:
        """Take a page in; return the rows that this reading shows for the first time."""
        self.pages += 1
        fresh = [request for request in page.requests if request.request_id not in self._seen]
        repeats = not fresh and page.unread.keys() <= self._seen
        ids = {request.request_id for request in fresh}
        self._seen.update(ids, page.unread)
        self._note_times(page)
        if found := self.missing & ids:
            self.missing -= found
            self.deepest = self.pages
        if offset == 0:
            self._step = self._asked = page.rows or self._limit
        self._total = page.total
        self._decide(page, offset, repeats=repeats)
        return fresh

    def give_up(self) -> None:
        """End the reading: a page was refused, or can't be read."""
        self._over = True

    def shows_the_last(self, seconds: float) -> bool:
        """Whether the list is proven to show what happened up to so many seconds ago.

        The newest stamp of its rows proves it, held against the clock of the answer. Where little happens
        a good list can't prove it either; then asking by id is the safe way, and it is cheap.
        """
        if self.newest is None or self.served_at is None:
            return False
        return self.newest >= self.served_at - max(seconds, SLACK)

    @property
    def profit(self) -> int:
        """How many reads by id it has saved so far, less what its pages weigh."""
        return self.wanted - len(self.missing) - PAGE_COST * self.pages

    def _note_times(self, page: Page) -> None:
        stamps = [request.stamp for request in page.requests]
        self.newest = max([self.newest or 0, *stamps, *page.unread.values()]) or None
        if self.served_at is None:
            self.served_at = page.served_at

    def _decide(self, page: Page, offset: int, *, repeats: bool) -> None:
        self._best = max(self._best, self.profit)
        # What the reading has lost since its best moment is as much as the rest would cost by id.
        lost = self._best - self.profit >= len(self.missing)
        ends = not page.continues(offset + page.rows, min(self._limit, self._step))
        if not self.missing or lost or ends or repeats:
            self._over = True


@dataclass(slots=True)
class Habit:
    """What a model's list was good for lately.

    :param pages: how many of its pages held what was wanted.
    :param left_until: until when it is left alone, in seconds of a monotonic clock.
    """

    pages: int = 1
    left_until: float = 0.0
    _left_for: float = 0.0

    def worth_reading(self, wanted: int, now: float) -> bool:
        """Whether a reading can save anything."""
        return wanted > PAGE_COST and now >= self.left_until

    def went_well(self, pages: int) -> None:
        """Note a reading that has paid."""
        self.pages = max(1, pages)
        self._left_for = 0.0

    def went_badly(self, now: float, interval: float, *, longest: float = LONGEST_LEFT_ALONE) -> None:
        """Note one that hasn't: leave the list alone, for twice as long as the last time.

        :param interval: seconds between two looks.
        :param longest: seconds it is left alone at most.
        """
        self._left_for = min(max(2 * interval, 2 * self._left_for), longest)
        self.left_until = now + self._left_for
