"""One round of looks: due requests are read from the list if that saves calls, the rest by id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kling_airflow.errors import KlingError, NotFound, Unauthorized
from kling_airflow.gmi.request import Page, Request, Status
from kling_airflow.polling.limited_calls import LimitedCalls
from kling_airflow.polling.list_scan import CLOCK_TOLERANCE, PAGE_COST, ListScan, ListUsage
from kling_airflow.polling.log_lines import say
from kling_airflow.polling.schedule import group_by_model
from kling_airflow.polling.tracked_request import TrackedRequest

log = logging.getLogger(__name__)

CONCURRENT_READS: Final = 8
"""Reads by id that are made at once."""
YIELD_EVERY: Final = 250
"""Looks after which the event loop gets a turn: ten thousand looks in one go blocked the loop for 0.2 s."""
_MIN_ROUND_SECONDS = 1.0
"""Seconds that a round has for low-priority requests at least, so that each round reads some of them."""
_MAX_SKIP_UNPROVEN = 60.0
_WASTE_ALLOWED = 0.1
"""Cost of lists that prove nothing, as a part of the cost of reading by id."""

OnLook = Callable[[TrackedRequest, "Request | KlingError", "float | None"], None]
"""Receives a look: the request, what was seen, and the time by the queue's clock."""


@dataclass(slots=True)
class ActiveRows:
    """The tracked requests that a list scan showed as active, for the first time in this round.

    :param served_at: the queue's clock when the scan began.
    """

    requests: list[TrackedRequest]
    served_at: float | None = None


class Round:
    """Looks once at every request that is due.

    :param calls: how the queue is asked.
    :param tracked: all tracked requests: a row counts as a look even if its request is not due yet.
    :param list_usage: by model, whether its list is worth reading.
    :param on_look: receives each look.
    :param number: the number of this round.
    """

    def __init__(
        self,
        calls: LimitedCalls,
        tracked: Mapping[str, TrackedRequest],
        list_usage: dict[str, ListUsage],
        on_look: OnLook,
        number: int,
    ) -> None:
        self._calls = calls
        self._tracked = tracked
        self._list_usage = list_usage
        self._on_look = on_look
        self._number = number
        self._to_read: dict[str, TrackedRequest] = {}
        self._key_check = asyncio.Lock()
        self.stopped_by: KlingError | None = None
        """The error that ended the round early: the connection failed, not a single request."""

    async def run(self, due: Iterable[TrackedRequest]) -> list[TrackedRequest]:
        """Look; return the requests without a look: the connection failed, or the rate limit was reached."""
        self._to_read = {tracked.request_id: tracked for tracked in due}
        for tracked in self._to_read.values():
            tracked.start_round()
        for model, group in group_by_model(self._to_read.values()).items():
            await self._read_list(model, group)
            if self.stopped_by is not None:
                break
        if self.stopped_by is None:
            await self._read_by_id()
        return list(self._to_read.values())

    # The list

    async def _read_list(self, model: str, group: list[TrackedRequest]) -> None:
        usage = self._list_usage.setdefault(model, ListUsage())
        wanted = {
            tracked.request_id: tracked
            for tracked in group
            if tracked.request_id in self._to_read
            and not tracked.ended_in_list
            and tracked.next_list_round <= self._number
        }
        if not usage.is_worth_reading(len(wanted), self._now()):
            return
        interval = min(tracked.interval for tracked in wanted.values())
        scan, active = ListScan(wanted, expected_pages=usage.pages), ActiveRows([])
        to_read_before = len(self._to_read)
        try:
            await self._scan(model, scan, active, interval)
        except KlingError as error:
            await say(log.info, "The list of %s can't be used now: %s", model, error.what)
            usage.record_waste(self._now(), interval)
            self._stop_if_paused(error)
            return
        for request_id in scan.missing & wanted.keys():
            wanted[request_id].record_not_listed(self._number)
        proven = scan.shows_changes_of_last(interval)
        if proven:
            await self._look_at_active_rows(active)
        if to_read_before - len(self._to_read) >= PAGE_COST * scan.pages:
            usage.record_saving(scan.last_useful_page)
        elif proven:
            usage.record_waste(self._now(), interval)
        else:
            usage.record_waste(self._now(), interval, max_skip=self._skip_while_unproven(scan, interval))
        if proven:
            await self._compare_one_row_with_its_record(usage, active, interval)

    async def _scan(self, model: str, scan: ListScan, active: ActiveRows, interval: float) -> None:
        while offsets := scan.next_offsets():
            calls = [self._calls.list_page(model, offset, interval, only=self._tracked) for offset in offsets]
            pages = await asyncio.gather(*calls, return_exceptions=True)
            for offset, page in zip(offsets, pages, strict=True):
                if isinstance(page, BaseException):
                    if scan.pages == 0 or not isinstance(page, KlingError):
                        raise page
                    scan.stop()  # the pages before this one count; the other requests are read by id
                    break
                self._add_page(scan, offset, page, active)

    def _add_page(self, scan: ListScan, offset: int, page: Page, active: ActiveRows) -> None:
        rows = scan.add_page(offset, page)
        active.served_at = scan.served_at
        for row in rows:
            tracked = self._tracked.get(row.request_id)
            if tracked is None:
                continue
            if not row.status.terminal:
                tracked.record_active_row(row)
                active.requests.append(tracked)
            elif is_whole(row):
                tracked.record_ended_row(is_whole=True)
                self._to_read.pop(row.request_id, None)
                self._on_look(tracked, row, page.served_at)
            else:
                tracked.record_ended_row(is_whole=False)
                self._to_read[tracked.request_id] = tracked

    async def _look_at_active_rows(self, active: ActiveRows) -> None:
        """Let each active row stand for a look at its request."""
        for number, tracked in enumerate(active.requests):
            self._to_read.pop(tracked.request_id, None)
            if tracked.active_row is not None:
                self._on_look(tracked, tracked.active_row, active.served_at)
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)

    async def _compare_one_row_with_its_record(
        self, usage: ListUsage, active: ActiveRows, interval: float
    ) -> None:
        """Read one active row's request by id: a list that shows an end too late can't be used."""
        if not active.requests:
            return
        tracked = min(active.requests, key=lambda tracked: tracked.last_read_at)
        row = tracked.active_row
        request = await self._read(tracked)
        if request is None or row is None or active.served_at is None:
            return
        age = active.served_at - (request.updated_at or active.served_at)
        if request.status != row.status and age > max(interval, CLOCK_TOLERANCE):
            await say(log.info, "The list is %.0f s behind: requests are read by id for a while.", age)
            usage.record_waste(self._now(), max(interval, _MAX_SKIP_UNPROVEN))
            self._to_read.update(
                {other.request_id: other for other in active.requests if other is not tracked}
            )

    # By id

    async def _read_by_id(self) -> None:
        """Read by id, the longest unread request first; stop when the connection fails.

        Requests with low priority come last. If a round takes longer than an interval, the next round reads
        the rest of them, so that they do not delay requests that may have ended.
        """
        began = self._now()
        shortest_interval = min((tracked.interval for tracked in self._to_read.values()), default=0.0)
        time_for_low_priority = max(_MIN_ROUND_SECONDS, shortest_interval)
        queue = sorted(
            self._to_read.values(),
            key=lambda tracked: (tracked.has_low_priority(began), tracked.last_read_at),
        )
        queue.reverse()  # reads take from the end; of requests that were never read the oldest comes first

        def has_time_for(tracked: TrackedRequest) -> bool:
            return not tracked.has_low_priority(began) or self._now() - began < time_for_low_priority

        async def read_from_queue() -> None:
            while queue and self.stopped_by is None and has_time_for(queue[-1]):
                await self._read(queue.pop())

        if (self._calls.rate_limiter.failing or self._calls.key_was_refused) and queue:
            await self._read(queue.pop())  # one call shows whether the connection works again
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(CONCURRENT_READS, len(queue))):
                tasks.create_task(read_from_queue())

    async def _read(self, tracked: TrackedRequest) -> Request | None:
        if tracked.request_id not in self._tracked:
            self._to_read.pop(tracked.request_id, None)
            return None
        tracked.start_read(self._now())
        try:
            request = await self._calls.get(tracked.request_id, tracked.interval)
        except KlingError as error:
            await self._record_failed_read(tracked, error)
            return None
        tracked.record_read(request)
        self._to_read.pop(tracked.request_id, None)
        self._on_look(tracked, request, request.served_at)
        return request

    async def _record_failed_read(self, tracked: TrackedRequest, error: KlingError) -> None:
        self._to_read.pop(tracked.request_id, None)
        if isinstance(error, NotFound) and tracked.active_row is not None:
            # The list shows the request, so it exists: requests of the web console answer 404 by id.
            self._on_look(tracked, tracked.active_row, None)
            return
        self._on_look(tracked, error, None)
        if isinstance(error, Unauthorized):
            async with self._key_check:
                if self.stopped_by is None and await self._calls.key_is_refused():
                    self.stopped_by = error
        else:
            self._stop_if_paused(error)

    def _stop_if_paused(self, error: KlingError) -> None:
        if self._calls.rate_limiter.pause_left(self._now()):
            self.stopped_by = error

    def _skip_while_unproven(self, scan: ListScan, interval: float) -> float:
        """Return for how long to skip a list that proves nothing now: after the next end it may.

        If hundreds of requests have waiters, a scan costs little beside the reads by id, so the list is
        tried in each round.
        """
        reads = max(1.0, min(scan.wanted, self._calls.rate_limiter.rate * interval))
        return min(_MAX_SKIP_UNPROVEN, interval * PAGE_COST * scan.pages / reads / _WASTE_ALLOWED)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def is_whole(row: Request) -> bool:
    """Return whether a terminal row says all that the record by id says: how it ended, and of what."""
    if row.status is Status.CANCELLED:
        return True
    outcome = row.has_result if row.status is Status.SUCCESS else row.outcome.error
    return bool(outcome and row.payload)
