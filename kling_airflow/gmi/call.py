"""One HTTP call to the queue, before it is made: what is sent, in which time, and what a lost call means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

_MEGABYTE = 1024 * 1024
MAX_BYTES: Final = 4 * _MEGABYTE
"""The largest response that is read, after decompression."""
RECORD_MAX_BYTES: Final = 32 * _MEGABYTE
"""The same for one record: its echo may hold two frames of 10 MB as Base64, which are 27 MB."""
PAGE_MAX_BYTES: Final = 64 * _MEGABYTE
"""The same for a page of the list on a worker, whose rows may hold such echoes."""


class CallKind(Enum):
    """What a lost or refused call of this kind means."""

    READ = "read"
    """Changes nothing, so it may be repeated."""
    UPLOAD = "upload"
    """Stores a frame and costs nothing, so it may be repeated."""
    SUBMIT = "submit"
    """Spends money. It is sent once, and again only if the queue is certain not to have accepted it."""
    CANCEL = "cancel"
    """Is not documented by the vendor (recorded by one user), so its failure is never an error."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a call may take, in seconds.

    :param connect: until the connection is open.
    :param read: between two pieces of the response.
    :param total: for the whole call.
    """

    connect: float = 10.0
    read: float = 60.0
    total: float = 120.0


DEFAULT_TIMEOUTS: Final = Timeouts()
SUBMIT_TIMEOUTS: Final = Timeouts(connect=10.0, read=180.0, total=180.0)
"""The queue calls the upstream vendor before it responds to a submission; known clients allow 60 to 180 s."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP call, before it is made.

    :param kind: what a lost call of this kind means.
    :param subject: what the call is about, for messages: never a secret.
    :param request_id: the request that the call is about; None if it is about no single request.
    :param sends_key: whether the API key is sent with the call.
    :param base_url: the base URL of the connection, for errors about it; "" for another server.
    :param max_bytes: the largest response body that is read.
    """

    kind: CallKind
    method: str
    url: str
    subject: str
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    sends_key: bool = True
    base_url: str = ""
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True, slots=True)
class Upload:
    """Where a frame can be put, and where it can be read afterwards.

    Several users have observed what is said here; the vendor does not document it.

    :param upload_url: presigned, expires after about 15 minutes. A secret: it is never logged or stored.
    :param public_url: stable, public, and unique for each upload.
    """

    upload_url: str = field(repr=False)
    public_url: str
