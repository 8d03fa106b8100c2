"""Looks for a request whose answer was lost in the queue's list, or proves that there is no such request.

Nothing in this module decides what to do about it, and nothing in it spends money.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Protocol

from kling_airflow.errors import Rejected, ResponseTooLarge
from kling_airflow.gmi.request import Page, Request
from kling_airflow.submission.echo import carries
from kling_airflow.submission.list_order import ListOrder
from kling_airflow.submission.record import SubmissionRecord

PAGES_MAX: Final = 60
"""Pages read in one look: 6,000 requests since the submission left."""
MARGIN: Final = 30.0
"""Seconds of slack around times of the queue, which are whole seconds."""
LATE_ARRIVAL_MARGIN: Final = 30.0
"""Seconds, by default, in which the queue may still create a request after its POST could last arrive."""
UNKNOWN_CLOCK_MARGIN: Final = 86_400.0
"""Seconds of slack around a worker's times if the record has no time of the queue; a wrong zone is less."""
CLOCKS_DIFFER_BY: Final = 900.0
"""Seconds by which ``Date`` and the times of requests can differ, because they can be of two clocks."""
_FIRST_LIMIT = 100

Asks = Callable[[Mapping[str, Any]], bool | None]
"""Whether an echo asks just what was asked, see :func:`kling_airflow.submission.echo.asks_the_same`."""


class Listing(Protocol):
    """The call of a client that a look makes."""

    def list_page(self, model: str, *, limit: int, offset: int) -> Page:
        """Return one page of a model's requests, newest first."""
        ...


class Place(Enum):
    """Where the time of a request lies beside a window.

    ``Date``, from which a window is made, and the times of requests can be of two clocks. So a request just
    outside may be inside: it proves nothing.
    """

    BEFORE = "before"
    JUST_BEFORE = "just before"
    INSIDE = "inside"
    SOON_AFTER = "soon after"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a lost request may have been created, by the queue's clock, in Unix seconds.

    :param since: the request is not older.
    :param until: the request is not younger.
    """

    since: float
    until: float

    @classmethod
    def of(cls, record: SubmissionRecord, late_arrival_margin: float = LATE_ARRIVAL_MARGIN) -> Window:
        """Return the window of a record's POSTs: of all that are in doubt if a marker identifies them."""
        sent_at = record.sent_at or 0.0
        first, queue_first = sent_at, record.queue_sent_at
        if record.marker is not None and record.doubted_since is not None:
            first, queue_first = record.doubted_since, record.queue_doubted_since
        may_take = max(0.0, record.latest_arrival - sent_at) + late_arrival_margin
        # The worker that reads a record knows nothing of the clock of the worker that wrote it.
        unknown = MARGIN + UNKNOWN_CLOCK_MARGIN
        since = first - unknown if queue_first is None else queue_first - MARGIN
        queue_sent_at = record.queue_sent_at
        until = sent_at + unknown if queue_sent_at is None else queue_sent_at + MARGIN
        return cls(since, until + may_take)

    def place(self, created_at: float | None) -> Place:
        """Return where the time of a request lies; a request without one may be ours."""
        if created_at is None or self.since <= created_at <= self.until:
            return Place.INSIDE
        if created_at < self.since:
            return Place.BEFORE if created_at < self.since - CLOCKS_DIFFER_BY else Place.JUST_BEFORE
        return Place.AFTER if created_at > self.until + CLOCKS_DIFFER_BY else Place.SOON_AFTER


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look through the list has shown.

    :param ours: requests that carry the marker; without a marker, those that ask just what was asked.
    :param doubtful: requests of that time that may be ours: their echo is missing or partial, or asks what
        was asked and more.
    :param unreadable: the number of rows without a readable id.
    :param read_back: whether the list was read back past the submission.
    :param younger: whether a request is visible that is younger than ours could be, so that ours would be
        visible too.
    :param current: whether each page was made after ours could last arrive; a page from a cache was not.
    :param rows: how many rows were read.
    """

    ours: tuple[Request, ...] = ()
    doubtful: tuple[Request, ...] = ()
    unreadable: int = 0
    read_back: bool = False
    younger: bool = False
    current: bool = False
    rows: int = 0

    @property
    def absent(self) -> bool:
        """Whether it is proven that the queue doesn't have the request."""
        unclear = self.ours or self.doubtful or self.unreadable
        return not unclear and self.read_back and self.younger and self.current

    @property
    def summary(self) -> str:
        """One line for a person on call."""
        if self.ours:
            return f"{len(self.ours)} of {self.rows} rows of the list are ours"
        if self.absent:
            return f"none of {self.rows} rows is ours, and younger ones are there: it is not in the queue"
        missing = [
            "" if self.read_back else "the list could not be read back past the submission",
            "" if self.younger else "no request is listed that is younger than ours would be",
            "" if self.current or not self.younger else "a page of the list is older than the submission",
            f"{len(self.doubtful)} rows can't be told from ours, because their payload is missing, partial,"
            f" or has more in it ({names(self.doubtful)})"
            if self.doubtful
            else "",
            f"{self.unreadable} rows have no readable id" if self.unreadable else "",
        ]
        return f"none of {self.rows} rows is surely ours, but {'; '.join(part for part in missing if part)}"


def look(
    queue: Listing,
    record: SubmissionRecord,
    asks: Asks,
    *,
    late_arrival_margin: float = LATE_ARRIVAL_MARGIN,
) -> Sighting:
    """Read the list back past the submission and return what it shows of ours.

    :param record: a record that is ``sending``.
    :param asks: whether an echo asks just what was asked.
    :param late_arrival_margin: seconds in which the queue may still create a request after its POST could
        last arrive.
    :raises GMIError: if the list can't be read at all.
    """
    window = Window.of(record, late_arrival_margin)
    rows = read_list(queue, record.model, window)
    ours, doubtful, younger = [], [], False
    for request in rows.requests.values():
        if request.request_id in record.earlier:
            continue
        if record.marker is not None and carries(request.payload, record.marker):
            ours.append(request)  # whatever its age: a POST can arrive later than its timeout
            continue
        if not may_be_of_model(request, record.model):
            continue
        is_ours = asks(request.payload) if request.payload else None
        when = window.place(request.created_at)
        younger |= is_ours is False and when in {Place.SOON_AFTER, Place.AFTER}
        if is_ours is False or when is Place.BEFORE:
            continue
        if record.marker is not None:
            doubtful.append(request)  # it may ask what was asked, and its marker is not visible
        elif when is Place.AFTER:
            younger |= bool(is_ours)
        elif is_ours and when is Place.INSIDE:
            ours.append(request)
        else:
            doubtful.append(request)
    return Sighting(
        ours=tuple(ours),
        doubtful=tuple(doubtful),
        unreadable=rows.unreadable,
        read_back=rows.read_back,
        younger=younger,
        current=rows.current,
        rows=len(rows.requests),
    )


@dataclass(slots=True)
class Rows:
    """The rows of a list, as far as it was read.

    :param requests: by id, in the list's order.
    :param unreadable: the number of rows without a readable id.
    :param read_back: whether every request of the window would be among the rows.
    :param current: whether each page was made after the window.
    """

    requests: dict[str, Request]
    unreadable: int = 0
    read_back: bool = False
    current: bool = True

    def add(self, page: Page) -> list[Request]:
        """Add the rows of a page; return those that were not there."""
        fresh = [request for request in page.requests if request.request_id not in self.requests]
        self.requests.update((request.request_id, request) for request in fresh)
        self.unreadable += max(0, page.rows - len(page.requests))
        return fresh


def read_list(queue: Listing, model: str, window: Window) -> Rows:
    """Read a model's list back past a window: until it ends, or until a whole page is older.

    :raises GMIError: if the list can't be read at all.
    """
    rows, order = Rows({}), ListOrder(window.since - CLOCKS_DIFFER_BY)
    limit, offset, says_end = _FIRST_LIMIT, 0, False
    for number in range(PAGES_MAX):
        try:
            page, limit = _page(queue, model, limit, offset)
        except Rejected:
            rows.read_back = says_end  # some services refuse an offset behind the last row
            if not says_end:
                raise
            break
        fresh = rows.add(page)
        if page.rows or page.served_at is not None or not says_end:
            rows.current &= _is_current(page, window)
        offset += page.rows
        order.add(fresh)
        # Only a page without rows is the end: a page can be smaller than asked, and `total` be that page's.
        if order.past or page.rows == 0:
            rows.read_back = True
            if number and order.may_move:
                rows.add(_page(queue, model, limit, 0)[0])  # a row that changed can have moved to the top
            break
        if not fresh:
            break  # a list that ignores the offset shows the same page again and again
        says_end = not page.continues(offset, limit)
    return rows


def may_be_of_model(request: Request, model: str) -> bool:
    """Return whether a row may be of a model: a service may spell it otherwise, with or without a version."""
    told, asked = ("".join(filter(str.isalnum, name.casefold())) for name in (request.model, model))
    return told.startswith(asked) or asked.startswith(told) or told.endswith(asked)


def find(queue: Listing, model: str, request_id: str) -> Request | None:
    """Return a request that the list shows though it can't be had by its id; None if it is not listed.

    One user saw this of requests that were made in the vendor's web console.

    :raises Unreachable: if the list can't be read.
    """
    offset = 0
    for _ in range(PAGES_MAX):
        page = queue.list_page(model, limit=_FIRST_LIMIT, offset=offset)
        for request in page.requests:
            if request.request_id == request_id:
                return request
        offset += page.rows
        if page.rows == 0:
            break
    return None


def names(requests: tuple[Request, ...] | list[Request]) -> str:
    """Return the ids of requests for a message, ten at most."""
    ids = ", ".join(request.request_id for request in requests[:10])
    return f"{ids}, ..." if len(requests) > 10 else ids


def _page(queue: Listing, model: str, limit: int, offset: int) -> tuple[Page, int]:
    """Read a page; a smaller one if echoes of Base64 frames make it too large to read."""
    while True:
        try:
            return queue.list_page(model, limit=limit, offset=offset), limit
        except ResponseTooLarge:
            if limit == 1:
                raise
            limit = max(1, limit // 4)


def _is_current(page: Page, window: Window) -> bool:
    """Return whether a page was made after the window: by its ``Date``, or because a row is younger.

    A row that is younger than the page's ``Date`` shows that the two are of different clocks. Then neither
    tells anything about the window, which was computed from such a ``Date``.
    """
    newest = max((request.created_at or 0 for request in page.requests), default=0)
    if page.served_at is not None and newest > page.served_at + MARGIN:
        return False
    return newest > window.until or (page.served_at is not None and page.served_at > window.until)
