"""Finds a request whose answer was lost, in the queue's list, or proves that there is none.

Nothing here decides what to do about it, and nothing here spends. It reads, and says what it saw.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kling_airflow.errors import ResponseTooLarge
from kling_airflow.gmi.request import Page, Request
from kling_airflow.submission.record import SubmissionRecord

PAGES_MAX: Final = 60
"""Pages read in one look: 6,000 requests since the submission left."""
MARGIN: Final = 30.0
"""Seconds of slack between our clock and the queue's, whose times are whole seconds."""
_FIRST_LIMIT = 100


class Listing(Protocol):
    """What a look needs of a client."""

    def list_page(self, model: str, *, limit: int, offset: int) -> Page:
        """Return one page of a model's requests, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look through the list brought.

    :param ours: requests that carry our marker; without a marker, those that ask just what we asked.
    :param doubtful: how many requests of that time nobody can tell: they carry no payload, or ask what we
        asked and more.
    :param read_back: whether the list was read back past the submission.
    :param younger: whether a request is visible that is younger than our POST could be, so that ours
        would be visible, too.
    :param rows: how many rows were read.
    """

    ours: tuple[Request, ...] = ()
    doubtful: int = 0
    read_back: bool = False
    younger: bool = False
    rows: int = 0

    @property
    def absent(self) -> bool:
        """Whether it is proven that the queue doesn't have the request."""
        return not self.ours and not self.doubtful and self.read_back and self.younger

    @property
    def summary(self) -> str:
        """One line that a person on call understands."""
        if self.ours:
            return f"{len(self.ours)} of {self.rows} rows of the list are ours"
        if self.absent:
            return f"none of {self.rows} rows is ours, and younger ones are there: it is not in the queue"
        missing = [
            "" if self.read_back else "the list could not be read back past the submission",
            "" if self.younger else "no request is listed that is younger than ours would be",
            f"of {self.doubtful} rows nobody can tell: no payload, or one with more in it"
            if self.doubtful
            else "",
        ]
        return f"none of {self.rows} rows is ours, but {'; '.join(part for part in missing if part)}"


def look(
    queue: Listing,
    record: SubmissionRecord,
    matches: Callable[[Mapping[str, Any]], bool | None],
    *,
    now: Callable[[], float],
) -> Sighting:
    """Read the list back past the submission and say what is in it of ours.

    :param record: a record that is ``sending``.
    :param matches: whether a payload asks just what we asked; used where there is no marker.
    :param now: our clock, to be compared with the queue's.
    :raises GMIError: if the list can't be read at all.
    """
    reader = _Reader(queue, record, matches, now)
    reader.read()
    return reader.sighting()


def find(queue: Listing, model: str, request_id: str) -> Request | None:
    """Return a request that the list shows though it can't be had by its id (seen); None where it doesn't.

    :raises Unreachable: if the list can't be read.
    """
    offset = 0
    for _ in range(PAGES_MAX):
        page = queue.list_page(model, limit=_FIRST_LIMIT, offset=offset)
        for request in page.requests:
            if request.request_id == request_id:
                return request
        offset += page.rows
        if not page.continues(offset, _FIRST_LIMIT):
            break
    return None


def asks_the_same(
    payload: Mapping[str, Any], fields: Mapping[str, Any], addresses: Mapping[str, str] | None = None
) -> bool | None:
    """Return whether a payload in the list asks just what we asked, compared as text.

    None where nobody can tell: it asks that and more, or its longest text is ours and the rest is not. The
    service may have filled in a default or written a value in its own way, or it is another's.

    :param fields: ours, the frames aside.
    :param addresses: of our frames by field, compared without their queries: that is where signatures stand.
    """
    asked = {name: _text(value) for name, value in fields.items() if value is not None}
    asked |= {name: address.partition("?")[0] for name, address in (addresses or {}).items()}
    told = {name: _text(value) for name, value in payload.items() if value is not None}
    told |= {name: told[name].partition("?")[0] for name in addresses or {} if name in told}
    if all(told.get(name) == value for name, value in asked.items()):
        return True if len(told) == len(asked) else None
    longest = max(asked, key=lambda name: len(asked[name]), default=None)
    if longest is not None and told.get(longest, "").strip() == asked[longest].strip():
        return None
    return False


def carries(payload: Mapping[str, Any], marker: str) -> bool:
    """Return whether a payload carries our marker: as a frame's address, or inside a Base64 frame."""
    return any(isinstance(value, str) and _holds(value, marker) for value in payload.values())


class _Reader:
    """One look, page by page."""

    def __init__(
        self,
        queue: Listing,
        record: SubmissionRecord,
        matches: Callable[[Mapping[str, Any]], bool | None],
        now: Callable[[], float],
    ) -> None:
        self.queue = queue
        self.record = record
        self.matches = matches
        self.now = now
        self.skew = 0.0
        self.requests: dict[str, Request] = {}
        self.read_back = False

    def read(self) -> None:
        limit, offset = _FIRST_LIMIT, 0
        for _ in range(PAGES_MAX):
            page, limit = self._page(limit, offset)
            if page.served_at is not None:
                self.skew = page.served_at - self.now()
            fresh = [request for request in page.requests if request.request_id not in self.requests]
            self.requests.update((request.request_id, request) for request in fresh)
            offset += page.rows
            if self._past_the_submission(fresh) or not page.continues(offset, limit):
                self.read_back = True
                return
            if not fresh:
                return  # a list that ignores the offset shows the same page for ever

    def sighting(self) -> Sighting:
        ours, doubtful = [], 0
        for request in self._of_that_time():
            is_ours = self._is_ours(request) if request.payload else None
            if is_ours is None:
                doubtful += 1
            elif is_ours:
                ours.append(request)
        return Sighting(
            ours=tuple(ours),
            doubtful=doubtful,
            read_back=self.read_back,
            younger=self._younger(),
            rows=len(self.requests),
        )

    def _page(self, limit: int, offset: int) -> tuple[Page, int]:
        """Read a page; a smaller one where echoes of Base64 frames make it too large to read."""
        while True:
            try:
                return self.queue.list_page(self.record.model, limit=limit, offset=offset), limit
            except ResponseTooLarge:
                if limit == 1:
                    raise
                limit = max(1, limit // 4)

    def _since(self) -> float:
        """Return when the first POST in doubt left, by the queue's clock."""
        doubted = self.record.doubted_since if self.record.marker else self.record.sent_at
        return (doubted or self.record.sent_at or 0.0) + self.skew - MARGIN

    def _until(self) -> float:
        """Return when the last POST can no longer arrive, by the queue's clock."""
        return (self.record.arrives_by or 0.0) + self.skew + MARGIN

    def _past_the_submission(self, fresh: list[Request]) -> bool:
        return any(request.created_at is not None and request.created_at < self._since() for request in fresh)

    def _of_that_time(self) -> list[Request]:
        """Return the requests that may be ours by their model and age; an unknown age may be any."""
        return [
            request
            for request in self.requests.values()
            if request.model in {"", self.record.model}
            and request.request_id not in self.record.earlier
            and (
                request.created_at is None
                or self._since() <= request.created_at <= self._until()
                or self._carries_our_marker(request)
            )
        ]

    def _is_ours(self, request: Request) -> bool | None:
        if self.record.marker is not None:
            return carries(request.payload, self.record.marker)
        return self.matches(request.payload)

    def _carries_our_marker(self, request: Request) -> bool:
        """Whether a request is ours whatever its age: a POST can arrive later than anyone would think."""
        return self.record.marker is not None and carries(request.payload, self.record.marker)

    def _younger(self) -> bool:
        return any(
            request.created_at is not None
            and request.created_at > self._until()
            and request.model in {"", self.record.model}
            and bool(request.payload)
            and not self._carries_our_marker(request)
            for request in self.requests.values()
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    """Return a value as every JSON writer writes it: 1.0 is 1."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _holds(value: str, marker: str) -> bool:
    if marker in value:
        return True
    if "://" in value[:10] or len(value) < 100:
        return False
    try:
        return marker.encode() in base64.b64decode(value)
    except (binascii.Error, ValueError):
        return False
