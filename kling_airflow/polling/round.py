"""One round of looks: what is due is read from the list where that pays, the rest by id."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kling_airflow.errors import KlingError, NotFound, Unauthorized
from kling_airflow.gmi.request import Page, Request, Status
from kling_airflow.polling.limited_calls import LimitedCalls
from kling_airflow.polling.list_scan import PAGE_COST, SLACK, Habit, Scan
from kling_airflow.polling.schedule import TrackedRequest, of_model

log = logging.getLogger(__name__)

CONCURRENCY: Final = 8
"""Reads by id under way at once."""
BREATH: Final = 250
"""Looks taken in before the event loop gets a turn: ten thousand at once held it up for 0.2 s."""
_LEAST_ROOM = 1.0
"""Seconds that a round has for those who stand back, at least: each round asks for somebody."""
_UNPROVEN_LEFT_ALONE = 60.0
_WASTE = 0.1
"""The part of what asking by id costs that lists may cost besides while they prove nothing."""

Saw = Callable[[TrackedRequest, "Request | KlingError", "float | None"], None]
"""Takes a look in: the request, what was seen, and the queue's clock at that moment."""


@dataclass(slots=True)
class Shown:
    """What one reading of a list showed as still active, for the first time in this round.

    :param as_of: the queue's clock when the reading began.
    """

    active: list[TrackedRequest]
    as_of: float | None = None


class Round:
    """Looks once at everything that is due.

    :param calls: how the queue is asked.
    :param tracked: everything that is waited for: what a list shows beside what is due counts, too.
    :param habits: what each model's list was good for lately.
    :param saw: is told of each look.
    :param number: which round this is.
    """

    def __init__(
        self,
        calls: LimitedCalls,
        tracked: Mapping[str, TrackedRequest],
        habits: dict[str, Habit],
        saw: Saw,
        number: int,
    ) -> None:
        self._calls = calls
        self._tracked = tracked
        self._habits = habits
        self._saw = saw
        self._number = number
        self._left: dict[str, TrackedRequest] = {}
        self._checking = asyncio.Lock()
        self.stopped_by: KlingError | None = None
        """The error that ended the round early: the connection is at fault, not a request."""

    async def run(self, due: Iterable[TrackedRequest]) -> list[TrackedRequest]:
        """Look; return what was not looked at: the connection failed, or the pace has no room for it now."""
        self._left = {one.request_id: one for one in due}
        for one in self._left.values():
            one.row = None
        for model, group in of_model(self._left.values()).items():
            await self._read_list(model, group)
            if self.stopped_by is not None:
                break
        if self.stopped_by is None:
            await self._read_by_id()
        return list(self._left.values())

    # The list

    async def _read_list(self, model: str, group: list[TrackedRequest]) -> None:
        habit = self._habits.setdefault(model, Habit())
        wanted = {
            one.request_id: one
            for one in group
            if one.request_id in self._left and not one.over and one.list_from <= self._number
        }
        if not habit.worth_reading(len(wanted), self._now()):
            return
        interval = min(one.interval for one in wanted.values())
        scan, shown, due_before = Scan(wanted, expected=habit.pages), Shown([]), len(self._left)
        try:
            await self._scan(model, scan, shown, interval)
        except KlingError as error:
            log.info("The list of %s can't be used now: %s", model, error.what)
            habit.went_badly(self._now(), interval)
            self._stop_if_paused(error)
            return
        for request_id in scan.missing & wanted.keys():
            _not_listed(wanted[request_id], self._number)
        proven = scan.shows_the_last(interval)
        if proven:
            for number, one in enumerate(shown.active):
                self._count(one, shown.as_of)
                if number % BREATH == BREATH - 1:
                    await asyncio.sleep(0)
        if due_before - len(self._left) < PAGE_COST * scan.pages:
            longest = {} if proven else {"longest": self._patience(scan, interval)}
            habit.went_badly(self._now(), interval, **longest)
        else:
            habit.went_well(scan.deepest)
        if proven:
            await self._probe(habit, shown, interval)

    async def _scan(self, model: str, scan: Scan, shown: Shown, interval: float) -> None:
        while offsets := scan.next():
            calls = [self._calls.list_page(model, offset, interval, only=self._tracked) for offset in offsets]
            pages = await asyncio.gather(*calls, return_exceptions=True)
            for offset, page in zip(offsets, pages, strict=True):
                if isinstance(page, BaseException):
                    if scan.pages == 0 or not isinstance(page, KlingError):
                        raise page
                    scan.give_up()  # what was read stands; the rest is asked by id
                    break
                self._take(scan, offset, page, shown)

    def _take(self, scan: Scan, offset: int, page: Page, shown: Shown) -> None:
        rows = scan.take(offset, page)
        shown.as_of = scan.served_at
        for row in rows:
            one = self._tracked.get(row.request_id)
            if one is None:
                continue
            one.unlisted = 0
            if not row.status.terminal:
                one.row = row
                shown.active.append(one)
            elif is_whole(row):
                self._left.pop(row.request_id, None)
                self._saw(one, row, page.served_at)
            else:
                one.over = True
                self._left[one.request_id] = one

    def _count(self, one: TrackedRequest, as_of: float | None) -> None:
        """Let a row of the list stand for a look."""
        self._left.pop(one.request_id, None)
        if one.row is not None:
            self._saw(one, one.row, as_of)

    async def _probe(self, habit: Habit, shown: Shown, interval: float) -> None:
        """Hold one row against the record by id: a list that hides an end is not to be believed."""
        if not shown.active:
            return
        one = min(shown.active, key=lambda one: one.asked_at)
        row = one.row
        request = await self._ask(one)
        if request is None or row is None or shown.as_of is None:
            return
        age = shown.as_of - (request.updated_at or shown.as_of)
        if request.status != row.status and age > max(interval, SLACK):
            log.info("The list is %.0f s behind: requests are asked by id for a while.", age)
            habit.went_badly(self._now(), max(interval, _UNPROVEN_LEFT_ALONE))
            self._left.update({other.request_id: other for other in shown.active if other is not one})

    # By id

    async def _read_by_id(self) -> None:
        """Ask in turn for whoever was not asked for longest; stop when the connection fails.

        Who is likely not over yet comes last. A round that takes longer than an interval leaves them to the
        next one, so that they hold up nobody who may be over.
        """
        began = self._now()
        room = max(_LEAST_ROOM, min((one.interval for one in self._left.values()), default=0.0))
        queue = sorted(self._left.values(), key=lambda one: (one.stands_back(began), one.asked_at))
        queue.reverse()  # it is taken from the end; of those never asked the oldest comes first

        def has_room(one: TrackedRequest) -> bool:
            return not one.stands_back(began) or self._now() - began < room

        async def worker() -> None:
            while queue and self.stopped_by is None and has_room(queue[-1]):
                await self._ask(queue.pop())

        if self._calls.pace.failing and queue:
            await self._ask(queue.pop())  # one call finds out whether the connection is back
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(CONCURRENCY, len(queue))):
                workers.create_task(worker())

    async def _ask(self, one: TrackedRequest) -> Request | None:
        if one.request_id not in self._tracked:
            self._left.pop(one.request_id, None)
            return None
        one.asked_at = self._now()
        try:
            request, served_at = await self._calls.get(one.request_id, one.interval)
        except KlingError as error:
            await self._ask_failed(one, error)
            return None
        one.over = False
        if request.model and request.model != one.model:
            one.model, one.list_from = request.model, 0
        self._left.pop(one.request_id, None)
        self._saw(one, request, served_at)
        return request

    async def _ask_failed(self, one: TrackedRequest, error: KlingError) -> None:
        self._left.pop(one.request_id, None)
        if isinstance(error, NotFound) and one.row is not None:
            self._saw(one, one.row, None)  # the list knows it, so it exists (seen: made in the console)
            return
        self._saw(one, error, None)
        if isinstance(error, Unauthorized):
            async with self._checking:
                if self.stopped_by is None and await self._calls.refuses_the_key():
                    self.stopped_by = error
        else:
            self._stop_if_paused(error)

    def _stop_if_paused(self, error: KlingError) -> None:
        if self._calls.pace.paused(self._now()):
            self.stopped_by = error

    def _patience(self, scan: Scan, interval: float) -> float:
        """Return for how long to leave a list alone that proves nothing now: with the next end it may.

        Where hundreds wait, a reading weighs little against what is asked by id, and is tried each round.
        """
        by_id = max(1.0, min(scan.wanted, self._calls.pace.rate * interval))
        return min(_UNPROVEN_LEFT_ALONE, interval * PAGE_COST * scan.pages / by_id / _WASTE)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def is_whole(row: Request) -> bool:
    """Whether a terminal row of the list says all that its record says: how it ended, of what."""
    if row.status is Status.CANCELLED:
        return True
    told = row.outcome.video_url if row.status is Status.SUCCESS else row.outcome.error
    return bool(told and row.payload)


def _not_listed(one: TrackedRequest, number: int) -> None:
    """Note that the list lacks it: ask by id, and look in the list again only after some rounds."""
    one.unlisted += 1
    one.list_from = number + 2 ** min(one.unlisted, 6)
