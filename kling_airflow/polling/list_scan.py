"""Whether reading the list saves calls, and how far to read it. Pure: pages go in, offsets come out.

The call by id is documented by the vendor, so it always works; the list only saves calls. The list is used
while it has cost less than reading by id would have, and is skipped for longer each time that it has not.
So whatever the list does (refuse, lag, ignore its parameters, show other requests), its cost is bounded, and
a request that the list does not show is read by id in the same round.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kling_airflow.gmi.protocol import PAGE_SIZE
from kling_airflow.gmi.request import Page, Request

PAGE_COST = 4
"""Cost of one list page, in single-request reads. A list is used only if it saves more than it costs."""
PARALLEL_PAGES = 4
"""Pages that are asked for at once, if the last scan tells how many pages are needed."""
CLOCK_TOLERANCE = 2.0
"""Seconds by which two times of whole seconds, of two clocks of one service, may differ."""
MAX_SKIP = 600.0
"""Seconds for which a list is skipped at most."""


class ListScan:
    """One reading of a model's list, newest first, in search of the requests that are due.

    :param wanted: the ids to look for.
    :param expected_pages: how many pages the last scan needed.
    :param limit: rows to ask for in one call.
    """

    def __init__(self, wanted: Iterable[str], *, expected_pages: int = 1, limit: int = PAGE_SIZE) -> None:
        self.missing = set(wanted)
        self.wanted = len(self.missing)
        self.pages = 0
        self.last_useful_page = 0
        self.newest: int | None = None
        self.served_at: float | None = None
        self._limit = limit
        self._expected_pages = expected_pages
        self._step = limit
        self._next_offset = 0
        self._total: int | None = None
        self._shown: set[str] = set()
        self._most_saved = 0
        self._done = not self.missing

    def next_offsets(self) -> list[int]:
        """Return the offsets to ask for now, all at once; an empty list when the scan is done."""
        if self._done:
            return []
        count = 1 if self.pages == 0 else max(1, min(PARALLEL_PAGES, self._expected_pages - self.pages))
        offsets = [self._next_offset + number * self._step for number in range(count)]
        if self._total is not None:
            offsets = [offset for offset in offsets if offset < self._total]
        if not offsets:
            self._done = True
            return []
        self._next_offset = offsets[-1] + self._step
        return offsets

    def add_page(self, offset: int, page: Page) -> list[Request]:
        """Take in a page; return the rows that this scan shows for the first time."""
        self.pages += 1
        new_rows = [request for request in page.requests if request.request_id not in self._shown]
        repeated = not new_rows and page.unread.keys() <= self._shown
        ids = {request.request_id for request in new_rows}
        self._shown.update(ids, page.unread)
        self._add_times(page)
        if found := self.missing & ids:
            self.missing -= found
            self.last_useful_page = self.pages
        if offset == 0:
            self._step = self._next_offset = page.rows or self._limit
        self._total = page.total
        self._decide_whether_done(page, offset, repeated=repeated)
        return new_rows

    def stop(self) -> None:
        """End the scan: a page was refused, or can't be read."""
        self._done = True

    def shows_changes_of_last(self, seconds: float) -> bool:
        """Return whether the list is proven to show what changed up to so many seconds ago.

        The proof is the newest time in its rows, compared with the `Date` of the response. If little happens
        in the queue, even a current list can't prove it; then the requests are read by id, which is cheap.
        """
        if self.newest is None or self.served_at is None:
            return False
        return self.newest >= self.served_at - max(seconds, CLOCK_TOLERANCE)

    @property
    def saved_reads(self) -> int:
        """Single-request reads that the scan has saved so far, less the cost of its pages."""
        return self.wanted - len(self.missing) - PAGE_COST * self.pages

    def _add_times(self, page: Page) -> None:
        times = [request.stamp for request in page.requests]
        self.newest = max([self.newest or 0, *times, *page.unread.values()]) or None
        if self.served_at is None:
            self.served_at = page.served_at

    def _decide_whether_done(self, page: Page, offset: int, *, repeated: bool) -> None:
        self._most_saved = max(self._most_saved, self.saved_reads)
        # The scan has lost as much since its best moment as reading the rest by id would cost.
        too_costly = self._most_saved - self.saved_reads >= len(self.missing)
        last_page = not page.continues(offset + page.rows, min(self._limit, self._step))
        if not self.missing or too_costly or last_page or repeated:
            self._done = True


@dataclass(slots=True)
class ListUsage:
    """Whether a model's list is read in the next round.

    :param pages: how many of its pages were needed in the last scan that saved calls.
    :param skip_until: until when the list is skipped, in seconds of a monotonic clock.
    """

    pages: int = 1
    skip_until: float = 0.0
    _last_skip: float = 0.0

    def is_worth_reading(self, wanted: int, now: float) -> bool:
        """Return whether a scan for so many requests can save calls."""
        return wanted > PAGE_COST and now >= self.skip_until

    def record_saving(self, pages: int) -> None:
        """Record a scan that has saved calls.

        :param pages: how many pages it needed.
        """
        self.pages = max(1, pages)
        self._last_skip = 0.0

    def record_waste(self, now: float, interval: float, *, max_skip: float = MAX_SKIP) -> None:
        """Record a scan that has saved nothing: skip the list for twice as long as the last time.

        :param interval: seconds between two looks.
        :param max_skip: seconds for which the list is skipped at most.
        """
        self._last_skip = min(max(2 * interval, 2 * self._last_skip), max_skip)
        self.skip_until = now + self._last_skip
