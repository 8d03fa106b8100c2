"""What the queue returns, read by name: a request, its status, its outcome, a page of the list."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from kling_airflow.clip import Clip
from kling_airflow.gmi.json_values import iso_time, plain_text, unix_seconds
from kling_airflow.gmi.outcome import NO_OUTCOME, Outcome
from kling_airflow.models import MODELS
from kling_airflow.prices import price_usd


class Status(StrEnum):
    """The statuses of the vendor's SDK, and `unknown` for every other value."""

    terminal: bool
    """Whether the request has ended."""

    def __new__(cls, value: str) -> Self:
        """Compute `terminal` once: a poll reads it for thousands of rows."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.terminal = value in {"success", "failed", "cancelled"}
        return made

    CREATED = "created"
    QUEUED = "queued"
    DISPATCHED = "dispatched"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @classmethod
    def read(cls, value: object) -> Status:
        """Return the status that a record names, in any case of letters; an unknown one counts as pending."""
        return _STATUSES.get(value.strip().lower(), cls.UNKNOWN) if isinstance(value, str) else cls.UNKNOWN


_STATUSES = {str(status): status for status in Status}


@dataclass(frozen=True, slots=True)
class Request:
    """One entry of the queue.

    :param request_id: the queue's id (uuid4).
    :param model: the model's id; "" if the record does not say.
    :param status: the status.
    :param status_text: the status as the queue spells it.
    :param payload: the queue's echo of what was asked. One user saw it empty.
    :param outcome: empty until the request is terminal.
    :param created_at: Unix seconds; None if the record does not say. The other two times alike.
    :param served_at: the queue's own clock when it sent this, in Unix seconds; None if it does not say.
    """

    request_id: str
    model: str = ""
    status: Status = Status.UNKNOWN
    status_text: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)
    outcome: Outcome = NO_OUTCOME
    created_at: int | None = None
    updated_at: int | None = None
    queued_at: int | None = None
    served_at: float | None = field(default=None, compare=False)

    @classmethod
    def read(cls, data: object, *, served_at: float | None = None) -> Request | None:
        """Return the request in a JSON value; None if there is no readable request id.

        :param data: a record of ``GET /requests/{id}``, a row of the list, or the response to a submission.
        :param served_at: the `Date` of the response, in Unix seconds.
        """
        if not isinstance(data, dict) or (request_id := _request_id(data)) is None:
            return None
        status, payload = data.get("status"), data.get("payload")
        return cls(
            request_id=request_id,
            model=plain_text(data.get("model")),
            status=Status.read(status),
            status_text=plain_text(status),
            payload=payload if isinstance(payload, dict) else {},
            outcome=Outcome.read(data),
            created_at=unix_seconds(data.get("created_at")),
            updated_at=unix_seconds(data.get("updated_at")),
            queued_at=unix_seconds(data.get("queued_at")),
            served_at=served_at,
        )

    @property
    def stamp(self) -> int:
        """The latest time in the record, in Unix seconds; 0 if the record has no time."""
        return max(self.created_at or 0, self.updated_at or 0)

    @property
    def duration(self) -> int | None:
        """Clip length that was asked for, in seconds; None if the echo does not say, or an input decides."""
        if self._follows_input:
            return None
        try:
            seconds = int(self.payload["duration"])
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return seconds if 0 < seconds < _MAX_CLIP_SECONDS else None

    @property
    def _follows_input(self) -> bool:
        spec = MODELS.get(self.model)
        return spec is not None and spec.price is not None and spec.price.follows_input(self.payload)

    @property
    def makes_clip(self) -> bool:
        """Whether the request's model makes clips; of a model that the record doesn't name, it is assumed."""
        spec = MODELS.get(self.model)
        return not self.model if spec is None else spec.makes_clip

    @property
    def has_result(self) -> bool:
        """Whether the outcome has what a success must have: a clip, or anything if the model makes none."""
        return bool(self.outcome.video_url if self.makes_clip else self.outcome.values)

    @property
    def sound(self) -> bool | None:
        """Whether sound was asked for; None if the echo does not say."""
        return {"on": True, "off": False}.get(plain_text(self.payload.get("sound")).lower())

    @property
    def _cost_usd(self) -> float | None:
        """The list price of what the echo says; None if the echo leaves out what the price depends on."""
        spec = MODELS.get(self.model)
        by_request = spec is not None and spec.price is not None and spec.price.unit == "request"
        if not by_request and self.duration is None and not self._follows_input:
            return None
        return price_usd(self.model, self.payload)

    def clip(self) -> Clip:
        """Return the clip that the request has made, or will make; ``cost_usd`` is the list price."""
        outcome, left_out = self.outcome.handed_on()
        return Clip(
            request_id=self.request_id,
            model=self.model,
            status=str(self.status),
            video_url=self.outcome.video_url,
            thumbnail_url=self.outcome.thumbnail_url,
            duration=self.duration,
            sound=self.sound,
            cost_usd=self._cost_usd,
            submitted_at=iso_time(self.created_at),
            finished_at=iso_time(self.updated_at) if self.status.terminal else None,
            outcome=outcome or None,
            left_out=left_out or None,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list, newest first.

    :param requests: its readable rows; with `only`, the readable rows that were asked for.
    :param rows: how many rows the page has, readable or not.
    :param total: how many requests there are in all; None if the queue does not say.
    :param has_more: whether there are older requests; None if the queue does not say.
    :param served_at: the queue's own clock when it sent the page, in Unix seconds; None if it does not say.
    :param unread: the latest times of the rows that were not asked for, by request id, in Unix seconds.
    """

    requests: tuple[Request, ...]
    rows: int
    total: int | None = None
    has_more: bool | None = None
    served_at: float | None = None
    unread: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(
        cls, data: Mapping[str, Any], *, served_at: float | None, only: Container[str] | None = None
    ) -> Page:
        """Return the page in a JSON object. Rows without a readable id are counted and left out.

        :param only: ids of the requests to read: a poll needs few of thousands of rows. None reads all rows.
        """
        rows = data.get("requests") or []
        requests, unread = [], {}
        for row in rows:
            if only is None or (request_id := _request_id(row)) in only:
                if (request := Request.read(row, served_at=served_at)) is not None:
                    requests.append(request)
            elif request_id is not None:
                unread[request_id] = _stamp(row)
        total, has_more = data.get("total"), data.get("has_more")
        return cls(
            requests=tuple(requests),
            rows=len(rows),
            total=total if isinstance(total, int) and not isinstance(total, bool) else None,
            has_more=has_more if isinstance(has_more, bool) else None,
            served_at=served_at,
            unread=unread,
        )

    def continues(self, offset: int, limit: int) -> bool:
        """Return whether older requests follow this page, as far as the queue says.

        :param offset: how many rows have been read, those of this page included.
        :param limit: how many rows were asked for.
        """
        if self.rows == 0:
            return False
        if self.has_more is not None:
            return self.has_more
        if self.total is not None:
            return offset < self.total
        return self.rows >= limit


_MAX_CLIP_SECONDS: Final = 100_000
"""An echo with a longer duration is not believed."""


def _request_id(data: object) -> str | None:
    request_id = data.get("request_id") if isinstance(data, dict) else None
    return (request_id.strip() or None) if isinstance(request_id, str) else None


def _stamp(row: dict[str, Any]) -> int:
    return max(unix_seconds(row.get("created_at")) or 0, unix_seconds(row.get("updated_at")) or 0)
