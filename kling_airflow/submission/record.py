"""The record of a submission, and the fingerprint that tells one order from another."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from kling_airflow.errors import UnreadableRecord
from kling_airflow.submission import normal_form

VERSION: Final = 1
"""The version of the record's format. A record of a later version is unreadable here, never overwritten."""


class State(StrEnum):
    """How far a submission has come, as far as the ledger knows."""

    SENDING = "sending"
    """A POST was about to leave: the queue may or may not have the request."""
    NOT_SENT = "not_sent"
    """The queue surely has no request: it refused, or was never reached."""
    SUBMITTED = "submitted"
    """The queue has the request, and its id is known. How the request ends is only in the queue."""


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """One order's record; a new record replaces the last one, so the record always says what is known now.

    Times are Unix seconds of the worker that wrote them. Those whose name begins with ``queue_`` are the
    queue's own time at the same moment; they are None if no response had told the queue's time.

    :param fingerprint: the fingerprint of what was asked, see :func:`fingerprint`.
    :param take: the number of the take of the same order, 1 for the first.
    :param model: the model's id.
    :param state: how far the submission has come.
    :param marker: the text that makes the request recognizable in the queue's list: the address of an
        uploaded frame, or a nonce in a Base64 frame; None if the payload has none.
    :param frames: the addresses of the uploaded frames by field: a repeated POST carries the same ones.
    :param posts: how many POSTs have been made.
    :param sent_at: when the last POST left.
    :param queue_sent_at: the queue's time when the last POST left.
    :param post_timeout: seconds that the last POST may take.
    :param doubted_since: when the first POST left whose outcome is, or was, unknown.
    :param queue_doubted_since: the queue's time when that POST left.
    :param arrives_by: when the last POST can no longer arrive; None as long as its attempt has not ended.
    :param request_id: the queue's id.
    :param submitted_at: when the queue took the request.
    :param earlier: the ids of this order's requests that failed or were cancelled before.
    :param searched_since: when the search for a request began that an earlier try may have bought and whose
        record is lost; None if there is no such search.
    :param queue_searched_since: the queue's time when that search began.
    :param reason: why the state is ``not_sent``.
    :param price_usd: what the clip costs, in US dollars; None if that was not known.
    """

    fingerprint: str
    take: int
    model: str
    state: State
    marker: str | None = None
    frames: Mapping[str, str] = field(default_factory=dict)
    posts: int = 0
    sent_at: float | None = None
    queue_sent_at: float | None = None
    post_timeout: float | None = None
    doubted_since: float | None = None
    queue_doubted_since: float | None = None
    arrives_by: float | None = None
    request_id: str | None = None
    submitted_at: float | None = None
    earlier: tuple[str, ...] = ()
    searched_since: float | None = None
    queue_searched_since: float | None = None
    reason: str | None = None
    price_usd: float | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether it is unknown if the queue has a request of this order, from any of its POSTs."""
        if self.state is State.NOT_SENT:
            return self.doubted_since is not None
        return self.state is State.SENDING

    @property
    def may_have_bought(self) -> bool:
        """Whether the queue has, or may have, a request of this order."""
        return self.state is not State.NOT_SENT or self.in_doubt

    @property
    def latest_arrival(self) -> float:
        """When the last POST can no longer arrive, computed from its timeout until its attempt has ended."""
        if self.arrives_by is not None:
            return self.arrives_by
        return (self.sent_at or 0.0) + (self.post_timeout or 0.0)

    def is_of(self, fingerprint: str, take: int) -> bool:
        """Return whether this is the record of an order."""
        return (self.fingerprint, self.take) == (fingerprint, take)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, without what isn't known."""
        fields = {name: value for name, value in asdict(self).items() if value not in (None, (), {})}
        fields["state"] = str(self.state)
        if self.earlier:
            fields["earlier"] = list(self.earlier)
        return {"version": VERSION, **fields}

    @classmethod
    def read(cls, data: object) -> Self:
        """Return the record in a JSON value.

        :raises UnreadableRecord: if the value is no record, or is of a later version.
        """
        if not isinstance(data, Mapping) or data.get("version") != VERSION:
            version = data.get("version") if isinstance(data, Mapping) else type(data).__name__
            raise UnreadableRecord(
                f"it has the version {version!r}, and this release reads version {VERSION}"
            )
        try:
            known = {name: data[name] for name in cls.__slots__ if name in data}
            known["state"] = State(known["state"])
            known["earlier"] = tuple(known.get("earlier", ()))
            record = cls(**known)
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableRecord(f"{type(error).__name__}: {error}") from error
        if record.state is State.SUBMITTED and not record.request_id:
            raise UnreadableRecord(f"it is `{record.state}` without a request id")
        return record

    def sending(
        self,
        *,
        now: float,
        within: float,
        marker: str | None,
        frames: Mapping[str, str],
        queue_now: float | None = None,
    ) -> SubmissionRecord:
        """Return the record to write before a POST leaves.

        :param within: seconds the POST may take.
        :param queue_now: the queue's time.
        """
        first = self.doubted_since is None
        return replace(
            self,
            state=State.SENDING,
            marker=marker,
            frames=frames,
            posts=self.posts + 1,
            sent_at=now,
            queue_sent_at=queue_now,
            post_timeout=within,
            doubted_since=now if first else self.doubted_since,
            queue_doubted_since=queue_now if first else self.queue_doubted_since,
            arrives_by=None,
            request_id=None,
            submitted_at=None,
            earlier=(*self.earlier, self.request_id) if self.request_id else self.earlier,
            searched_since=None,
            queue_searched_since=None,
            reason=None,
        )

    def attempt_ended(self, *, now: float) -> SubmissionRecord:
        """Return the record of a POST whose attempt has ended without a readable answer.

        The queue may still work on a POST whose connection broke at once: so the whole timeout counts.
        """
        return replace(self, arrives_by=max(self.latest_arrival, now))

    def not_sent(self, reason: str) -> SubmissionRecord:
        """Return the record of a definite refusal: at least the last POST is in doubt no more."""
        only = self.doubted_since == self.sent_at
        return replace(
            self,
            state=State.NOT_SENT,
            doubted_since=None if only else self.doubted_since,
            queue_doubted_since=None if only else self.queue_doubted_since,
            reason=reason,
        )

    def searching(self, *, now: float, queue_now: float | None) -> SubmissionRecord:
        """Return the record of an order for which a request is searched that a lost record may have named."""
        return replace(self, searched_since=now, queue_searched_since=queue_now)

    def submitted(self, request_id: str, *, now: float) -> SubmissionRecord:
        """Return the record of a request that the queue has."""
        return replace(
            self,
            state=State.SUBMITTED,
            request_id=request_id,
            submitted_at=now,
            doubted_since=None,
            queue_doubted_since=None,
            searched_since=None,
            queue_searched_since=None,
            reason=None,
        )


def fingerprint(
    model: str,
    fields: Mapping[str, Any],
    frames: Mapping[str, str],
    *,
    base_url: str,
    organization_id: str | None,
    generation: int = 0,
) -> str:
    """Return the hash that tells this order from any other.

    Texts are compared after Unicode NFC, line ends and outer white space; base URLs in normal form.

    :param model: the model's id.
    :param fields: what is asked, without the frames; numbers and switches in their Python types.
    :param frames: for each frame's field, a hash of its *content*: addresses carry signatures, which change.
    :param base_url: the queue that is asked.
    :param organization_id: the organization that asks, as the connection names it.
    :param generation: how often the task was cleared in order to buy anew; 0 unless the user wants that.
    """
    material: dict[str, Any] = {
        "model": model,
        "fields": {name: normal_form.value(value) for name, value in fields.items() if value is not None},
        "frames": dict(frames),
        "base_url": normal_form.base_url(base_url),
        "organization_id": organization_id,
    }
    if generation:
        material["generation"] = generation
    canonical = json.dumps(material, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()


def clock(seconds: float | None) -> str:
    """Return a time as people read it, UTC."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
