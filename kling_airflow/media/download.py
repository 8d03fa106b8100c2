"""A file fetched over http(s): whole, within a limit, in constant memory, resumed after a cut."""

from __future__ import annotations

import hashlib
import io
import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from kling_airflow.errors import DownloadFailed
from kling_airflow.media.http_get import (
    Interrupted,
    answer,
    check_status,
    check_url,
    open_session,
    plain_url,
    reason,
)
from kling_airflow.media.limits import DOWNLOAD_SECONDS

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_LONGEST_PAUSE = 30.0


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
    """What arrived: its size, its hash (hex), and how often it was cut off on the way."""

    bytes: int
    sha256: str
    interruptions: int


def download(
    url: str, sink: BinaryIO, limits: DownloadLimits, *, pause: Callable[[float], None] = time.sleep
) -> Downloaded:
    """Fetch a file into ``sink``, hashing it on the way.

    A cut is resumed with Range where the server gives a validator (ETag or Last-Modified), so that two
    versions are never mixed; otherwise it starts anew.

    :param url: http(s); may redirect to http(s).
    :param sink: open for writing, seekable; its content is replaced.
    :param limits: how much, how long, how often.
    :param pause: waits that many seconds.
    :raises DownloadFailed: ``gone`` for a dead address, not ``retryable`` for what no retry can help.
    """
    check_url(url)
    ends = time.monotonic() + limits.deadline
    transfer = _Transfer(url, sink, limits, ends)
    idle = interruptions = 0
    with open_session() as session:
        while True:
            before = transfer.high_water
            try:
                transfer.run(session)
                return Downloaded(transfer.received, transfer.digest.hexdigest(), interruptions)
            except Interrupted as cut:
                interruptions += 1
                idle = 0 if transfer.high_water > before else idle + 1
                if idle >= limits.attempts:
                    raise DownloadFailed(
                        f"{plain_url(url)}: {cut} ({transfer.progress()}, {interruptions} attempts).",
                        gone=cut.gone,
                    ) from None
                wait = _pause_length(idle, cut.retry_after)
                if time.monotonic() + wait >= ends:
                    raise transfer.too_late(str(cut)) from None
                log.warning(
                    "%s: %s (%s); trying again in %.1f s.", plain_url(url), cut, transfer.progress(), wait
                )
                pause(wait)


def read_url(url: str, limits: DownloadLimits, *, pause: Callable[[float], None] = time.sleep) -> bytes:
    """Fetch a small file into memory; parameters and errors as ``download``."""
    buffer = io.BytesIO()
    download(url, buffer, limits, pause=pause)
    return buffer.getvalue()


class _Transfer:
    """One file on its way: what has arrived, and what proves that the rest belongs to it."""

    def __init__(self, url: str, sink: BinaryIO, limits: DownloadLimits, ends: float) -> None:
        self.url, self.sink, self.limits, self.ends = url, sink, limits, ends
        self.high_water = 0
        self._start_anew()

    def _start_anew(self) -> None:
        self.sink.seek(0)
        self.sink.truncate()
        self.digest = hashlib.sha256()
        self.received = 0
        self.total: int | None = None
        self.validator: str | None = None

    def progress(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.received:,}{of} bytes arrived"

    def too_late(self, why: str) -> DownloadFailed:
        return DownloadFailed(
            f"{plain_url(self.url)}: not done within {self.limits.deadline:g} s ({self.progress()}; {why})."
        )

    def run(self, session: requests.Session) -> None:
        """Fetch what is missing."""
        if self.received and not self.validator:
            self._start_anew()
        headers = {"Accept-Encoding": "identity"}
        if self.received and self.validator:
            headers |= {"Range": f"bytes={self.received}-", "If-Range": self.validator}
        with answer(session, self.url, headers, self._timeout()) as response:
            self._begin(response)
            for chunk in self._chunks(response):
                self._take(chunk)
        if self.total is not None and self.received != self.total:
            raise Interrupted("cut off")
        if not self.received:
            raise Interrupted("the answer is empty")

    def _timeout(self) -> tuple[float, float]:
        left = self.ends - time.monotonic()
        if left <= 0:
            raise self.too_late("the time is up")
        return min(self.limits.connect_timeout, left), min(self.limits.read_timeout, left)

    def _begin(self, response: requests.Response) -> None:
        if response.status_code == 416:
            self.validator = None  # what is there is shorter than what we have
        check_status(self.url, response)
        if response.status_code == 206:
            if not self._continues(response):
                self.validator = None  # the next attempt starts anew
                raise Interrupted("the server resumed at another place")
            return
        self._start_anew()
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            return  # the length is that of the packed file, and packed ranges can't be joined
        length = response.headers.get("Content-Length", "")
        self.total = int(length) if length.isdecimal() else None
        etag = response.headers.get("ETag", "")
        # A weak ETag allows other bytes, so it can't prove that two parts belong together.
        strong = etag if etag.startswith('"') else None
        self.validator = strong or response.headers.get("Last-Modified")
        if self.total is not None and self.total > self.limits.max_bytes:
            raise self._too_large(self.total)

    def _continues(self, response: requests.Response) -> bool:
        unit, _, span = response.headers.get("Content-Range", "").partition(" ")
        first, _, size = span.partition("-")[0], None, span.rpartition("/")[2]
        same = size in ("*", str(self.total)) if self.total is not None else True
        return unit == "bytes" and first == str(self.received) and same

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        # read1 gives what is there: a server that drips can't outlast the deadline within one read.
        import urllib3

        packed = "Content-Encoding" in response.headers
        try:
            while chunk := response.raw.read1(_CHUNK, decode_content=packed):
                yield chunk
        except urllib3.exceptions.HTTPError as error:
            raise Interrupted(reason(error)) from None

    def _take(self, chunk: bytes) -> None:
        if self.received + len(chunk) > self.limits.max_bytes:
            raise self._too_large(None)
        self.sink.write(chunk)
        self.digest.update(chunk)
        self.received += len(chunk)
        self.high_water = max(self.high_water, self.received)
        if time.monotonic() >= self.ends:
            raise self.too_late("the time is up")

    def _too_large(self, size: int | None) -> DownloadFailed:
        has = "more" if size is None else f"{size:,} bytes"
        return DownloadFailed(
            f"{plain_url(self.url)} has {has}; the limit is {self.limits.max_bytes:,} bytes (max_bytes).",
            retryable=False,
        )


def _pause_length(idle: int, retry_after: float | None) -> float:
    if retry_after is not None:
        return retry_after
    return min(_LONGEST_PAUSE, 0.5 * 2.0**idle) * random.uniform(0.5, 1.0)  # noqa: S311
