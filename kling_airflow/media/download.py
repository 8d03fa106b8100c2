"""A file fetched over http(s): whole, within a limit, in constant memory, resumed after a cut."""

from __future__ import annotations

import hashlib
import io
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from kling_airflow.errors import DownloadFailed
from kling_airflow.media.http_address import check_url, plain_url
from kling_airflow.media.http_body import packing, pieces
from kling_airflow.media.http_get import Interrupted, check_status, get, open_session
from kling_airflow.media.limits import DOWNLOAD_SECONDS

if TYPE_CHECKING:
    import requests

    from kling_airflow.media.http_connection import AddressGuard, Watchdog

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
_LONGEST_LENGTH = 18  # digits of a length that is believed


@dataclass(frozen=True, kw_only=True)
class DownloadLimits:
    """How much, how long, how often.

    :param max_bytes: of the file.
    :param deadline: seconds for everything together, pauses included.
    :param connect_timeout: seconds until a connection stands.
    :param read_timeout: seconds without a byte.
    :param attempts: how often in a row it may fail without a single new byte.
    """

    max_bytes: int
    deadline: float = DOWNLOAD_SECONDS
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    attempts: int = 5


@dataclass(frozen=True)
class Downloaded:
    """What arrived.

    :param bytes: the file's size.
    :param sha256: the file's hash, in hex.
    :param interruptions: how often the download was cut off on the way.
    :param content_type: what the server calls the file; "" if it says nothing.
    """

    bytes: int
    sha256: str
    interruptions: int
    content_type: str = ""


def download(
    url: str,
    sink: BinaryIO,
    limits: DownloadLimits,
    *,
    guard: AddressGuard | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Downloaded:
    """Fetch a file into ``sink``, hashing it on the way.

    A cut is resumed with Range if the server gives a validator (ETag or Last-Modified), so that two versions
    are never mixed; otherwise the download starts again from the first byte.

    :param url: http(s); may redirect to http(s). Blanks and line ends around it are dropped.
    :param sink: open for writing, seekable; its content is replaced.
    :param limits: how much, how long, how often.
    :param guard: which hosts may be connected to; None for any.
    :param pause: waits that many seconds.
    :raises DownloadFailed: ``gone`` for a dead address, not ``retryable`` for what no retry can help.
    """
    from kling_airflow.media.http_connection import Watchdog

    url = url.strip()
    check_url(url)
    ends = time.monotonic() + limits.deadline
    with Watchdog(ends) as watchdog, open_session(watchdog, guard) as session:
        transfer = _Transfer(url, sink, limits, ends, watchdog, guard)
        return _until_whole(transfer, session, pause)


def read_url(
    url: str,
    limits: DownloadLimits,
    *,
    guard: AddressGuard | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> bytes:
    """Fetch a small file into memory; parameters and errors as ``download``."""
    buffer = io.BytesIO()
    download(url, buffer, limits, guard=guard, pause=pause)
    return buffer.getvalue()


def _until_whole(
    transfer: _Transfer, session: requests.Session, pause: Callable[[float], None]
) -> Downloaded:
    """Repeat the transfer until the file is whole, or no attempt is left."""
    idle = interruptions = 0
    shown = plain_url(transfer.url)
    while True:
        before = transfer.high_water
        try:
            transfer.run(session)
            return Downloaded(
                transfer.received, transfer.digest.hexdigest(), interruptions, transfer.content_type
            )
        except Interrupted as cut:
            transfer.check_time(str(cut))
            interruptions += 1
            idle = 0 if transfer.high_water > before else idle + 1
            if idle >= transfer.limits.attempts:
                raise DownloadFailed(
                    f"{shown}: {cut} ({transfer.progress()}, {interruptions} attempts).",
                    gone=cut.gone,
                ) from None
            wait = _pause_length(idle, cut.retry_after)
            if time.monotonic() + wait >= transfer.ends:
                raise transfer.too_late(str(cut)) from None
            log.warning("%s: %s (%s); trying again in %.1f s.", shown, cut, transfer.progress(), wait)
            pause(wait)


class _Transfer:
    """One file on its way: what has arrived, and what proves that the rest belongs to it."""

    def __init__(
        self,
        url: str,
        sink: BinaryIO,
        limits: DownloadLimits,
        ends: float,
        watchdog: Watchdog,
        guard: AddressGuard | None,
    ) -> None:
        self.url, self.sink, self.limits, self.ends = url, sink, limits, ends
        self._watchdog, self._guard = watchdog, guard
        self.high_water = 0
        self.content_type = ""
        self._reset()

    def _reset(self) -> None:
        """Drop what has arrived."""
        self.sink.seek(0)
        self.sink.truncate()
        self.digest = hashlib.sha256()
        self.received = 0
        self.total: int | None = None
        self.validator: str | None = None

    def progress(self) -> str:
        """Return how much has arrived, for texts."""
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.received:,}{of} bytes arrived"

    def too_late(self, why: str) -> DownloadFailed:
        """Return the error of a missed deadline."""
        return DownloadFailed(
            f"{plain_url(self.url)}: not done within {self.limits.deadline:g} s ({self.progress()}; {why}).",
            todo="If the network is slow, allow more time, then run the task again.",
        )

    def check_time(self, why: str = "the time is up") -> None:
        """Raise if the deadline has passed: then whatever else happened is its consequence."""
        if self._watchdog.expired or time.monotonic() >= self.ends:
            raise self.too_late(why) from None

    def run(self, session: requests.Session) -> None:
        """Fetch what is missing."""
        if self.received and not self.validator:
            self._reset()
        headers = {"Accept-Encoding": "identity"}
        if self.received and self.validator:
            headers |= {"Range": f"bytes={self.received}-", "If-Range": self.validator}
        with get(session, self.url, headers, self._timeout(), self._guard) as response:
            self._begin(response)
            for piece in pieces(self.url, response):
                self._take(piece)
        self.check_time()
        if self.total is not None and self.received != self.total:
            raise Interrupted("cut off")
        if not self.received:
            raise Interrupted("the answer is empty", gone=True)

    def _timeout(self) -> tuple[float, float]:
        self.check_time()
        left = max(0.01, self.ends - time.monotonic())
        return min(self.limits.connect_timeout, left), min(self.limits.read_timeout, left)

    def _begin(self, response: requests.Response) -> None:
        """Read the response's head: a whole file, or the part that is missing."""
        if response.status_code == 416:
            self.validator = None  # what is there is shorter than what has arrived
        check_status(self.url, response)
        if response.status_code == 206:
            if not self._continues(response):
                self.validator = None  # the next attempt starts from the first byte
                raise Interrupted("the server resumed at another place")
            return
        self._reset()
        self.content_type = response.headers.get("Content-Type", "").partition(";")[0].strip()[:80]
        if packing(response):
            return  # the length is that of the packed file, and packed ranges can't be joined
        length = response.headers.get("Content-Length", "")
        believed = length.isascii() and length.isdecimal() and len(length) <= _LONGEST_LENGTH
        self.total = int(length) if believed else None
        etag = response.headers.get("ETag", "")
        # A weak ETag allows other bytes, so it can't prove that two parts belong together.
        strong = etag if etag.startswith('"') else None
        self.validator = strong or response.headers.get("Last-Modified")
        if self.total is not None and self.total > self.limits.max_bytes:
            raise self._too_large(self.total)

    def _continues(self, response: requests.Response) -> bool:
        """Whether a part begins where the last one ended, and is one of the same file."""
        unit, _, span = response.headers.get("Content-Range", "").partition(" ")
        first, _, size = span.partition("-")[0], None, span.rpartition("/")[2]
        same = size in ("*", str(self.total)) if self.total is not None else True
        return unit == "bytes" and first == str(self.received) and same

    def _take(self, piece: bytes) -> None:
        if self.received + len(piece) > self.limits.max_bytes:
            raise self._too_large(None)
        self.sink.write(piece)
        self.digest.update(piece)
        self.received += len(piece)
        self.high_water = max(self.high_water, self.received)
        if time.monotonic() >= self.ends:
            raise self.too_late("the time is up")

    def _too_large(self, size: int | None) -> DownloadFailed:
        has = "more" if size is None else f"{size:,} bytes"
        return DownloadFailed(
            f"{plain_url(self.url)} has {has}; the limit is {self.limits.max_bytes:,} bytes (max_bytes).",
            retryable=False,
            todo="If the file is meant to be that large, raise `max_bytes`.",
        )


def _pause_length(idle: int, retry_after: float | None) -> float:
    if retry_after is not None:
        return retry_after
    return min(_LONGEST_PAUSE, 0.5 * 2.0**idle) * random.uniform(0.5, 1.0)  # noqa: S311
