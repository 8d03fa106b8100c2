"""What is remembered of a submission, and the fingerprint that tells one order from another."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Self

from kling_airflow.errors import UnreadableRecord

VERSION: Final = 1
"""Of the record's format. A record of a later version is unreadable here, never overwritten."""


class State(StrEnum):
    """How far a submission has come, as far as we know."""

    SENDING = "sending"
    """A POST was about to leave: the queue may or may not have it."""
    NOT_SENT = "not_sent"
    """The queue surely has nothing: it refused, or was never reached."""
    SUBMITTED = "submitted"
    """The queue has it, and we have its id. How it ends is not written down: the queue says that."""


@dataclass(frozen=True, slots=True)
class SubmissionRecord:
    """One order's record; a new one replaces the last, so it always says what is known now.

    :param fingerprint: of what was asked, see :func:`fingerprint`.
    :param take: which take of it, 1 for the first.
    :param model: the model's id.
    :param state: how far it has come.
    :param marker: what makes the request recognizable in the queue's list: the address of an uploaded
        frame, or a nonce in a Base64 frame; None where the payload has none.
    :param frames: the addresses of the uploaded frames by field, so that a repeated POST carries the same.
    :param posts: how many POSTs have been made.
    :param sent_at: when the last POST left, in Unix seconds.
    :param doubted_since: when the first POST left whose fate is, or was, in doubt, in Unix seconds.
    :param arrives_by: when the last POST can no longer arrive, in Unix seconds.
    :param request_id: the queue's id.
    :param submitted_at: when the queue took it, in Unix seconds.
    :param earlier: ids of this order's requests that failed or were cancelled before.
    :param reason: why it is ``not_sent``.
    """

    fingerprint: str
    take: int
    model: str
    state: State
    marker: str | None = None
    frames: Mapping[str, str] = field(default_factory=dict)
    posts: int = 0
    sent_at: float | None = None
    doubted_since: float | None = None
    arrives_by: float | None = None
    request_id: str | None = None
    submitted_at: float | None = None
    earlier: tuple[str, ...] = ()
    reason: str | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether nobody knows if the queue has a request of this order, of its last POST or one before."""
        if self.state is State.NOT_SENT:
            return self.doubted_since is not None
        return self.state is State.SENDING

    @property
    def may_have_bought(self) -> bool:
        """Whether the queue has, or may have, a request of this order."""
        return self.state is not State.NOT_SENT or self.in_doubt

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

        :raises UnreadableRecord: for anything that isn't one, or is of a later version.
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
        self, *, now: float, within: float, marker: str | None, frames: Mapping[str, str]
    ) -> SubmissionRecord:
        """Return the record to write before a POST leaves.

        :param within: seconds the POST may take.
        """
        earlier = (*self.earlier, self.request_id) if self.request_id else self.earlier
        return replace(
            self,
            state=State.SENDING,
            marker=marker,
            frames=frames,
            posts=self.posts + 1,
            sent_at=now,
            doubted_since=now if self.doubted_since is None else self.doubted_since,
            arrives_by=now + within,
            request_id=None,
            submitted_at=None,
            earlier=earlier,
            reason=None,
        )

    def not_sent(self, reason: str) -> SubmissionRecord:
        """Return the record of a definite refusal: the last POST, at least, is in doubt no more."""
        in_doubt = None if self.doubted_since == self.sent_at else self.doubted_since
        return replace(self, state=State.NOT_SENT, doubted_since=in_doubt, reason=reason)

    def submitted(self, request_id: str, *, now: float) -> SubmissionRecord:
        """Return the record of a request that the queue has."""
        return replace(
            self,
            state=State.SUBMITTED,
            request_id=request_id,
            submitted_at=now,
            doubted_since=None,
            reason=None,
        )


def fingerprint(
    model: str,
    fields: Mapping[str, Any],
    frames: Mapping[str, str],
    *,
    base_url: str,
    organization_id: str | None,
) -> str:
    """Return the hash that tells this order from any other.

    :param model: the model's id.
    :param fields: what is asked, without the frames; numbers and switches in their Python types.
    :param frames: for each frame's field, a hash of its *content*: addresses carry signatures, which change.
    :param base_url: the queue that is asked, and for whom (``organization_id``).
    """
    material = {
        "model": model,
        "fields": {name: value for name, value in fields.items() if value is not None},
        "frames": dict(frames),
        "base_url": base_url,
        "organization_id": organization_id,
    }
    canonical = json.dumps(material, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def clock(seconds: float | None) -> str:
    """Return a time as people read it, UTC."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
