"""One HTTP call to the queue, before it is made: what it sends, how long it may take, what its loss means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

_MEGABYTE = 1024 * 1024


class CallKind(Enum):
    """What a lost or refused call of this kind means."""

    READ = "read"
    """Changes nothing: may be repeated at will."""
    UPLOAD = "upload"
    """Stores a frame, costs nothing: may be repeated at will."""
    SUBMIT = "submit"
    """Spends money: sent once, and repeated only where the queue surely did not take it."""
    CANCEL = "cancel"
    """Best effort: undocumented, its failure is never an error (once)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds.

    :param connect: until the connection stands.
    :param read: between two pieces of the answer.
    :param total: for everything together.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0


DEFAULT_TIMEOUTS: Final = Timeouts()
SUBMIT_TIMEOUTS: Final = Timeouts(connect=10.0, read=180.0, total=180.0)
"""A submission calls the upstream vendor before it answers; clients allow 60-180 s (seen)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call, before it is made.

    :param kind: what its loss means.
    :param subject: what it is about, for messages: never a secret.
    :param request_id: the request it is about, whose clip is at stake; None for everything else.
    :param keyed: whether the API key goes with it.
    :param max_bytes: the largest answer that is read.
    """

    kind: CallKind
    method: str
    url: str
    subject: str
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    keyed: bool = True
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    max_bytes: int = 64 * _MEGABYTE


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a frame can be put, and where it can be read afterwards.

    :param upload_url: presigned, expires after about 15 minutes (seen). A secret: never logged or kept.
    :param public_url: stable, public, unique per upload (seen).
    """

    upload_url: str = field(repr=False)
    public_url: str
