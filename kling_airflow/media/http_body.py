"""The body of a response, piece by piece: as it arrives, unpacked within bounds."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kling_airflow.errors import DownloadFailed
from kling_airflow.media.http_address import plain_url
from kling_airflow.media.http_get import Interrupted, reason

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 20
_PLAIN = ("", "identity", "aws-chunked")
_UNPACKED = ("gzip", "x-gzip", "deflate")
_ANY_WRAPPER = 47  # zlib tells gzip from zlib by the first bytes
_NO_WRAPPER = -15
_ZLIB_METHOD = 8  # low half of the first byte of zlib data, and of none that older servers send as "deflate"


def packing(response: requests.Response) -> str:
    """Return how a body is packed, "" if it isn't.

    Stores like S3 keep the word aws-chunked from an upload; what they hand out is plain.
    """
    named = response.headers.get("Content-Encoding", "").lower().split(",")
    return ", ".join(name for word in named if (name := word.strip()) not in _PLAIN)


def pieces(url: str, response: requests.Response) -> Iterator[bytes]:
    """Yield the body, at most a MiB at once however well it is packed.

    :raises Interrupted: it was cut off.
    :raises DownloadFailed: not retryable; it is packed in a way that can't be unpacked here.
    """
    named = packing(response)
    if not named:
        yield from _raw(response)
    elif named in _UNPACKED:
        yield from _unpacked(url, response)
    else:
        raise DownloadFailed(
            f"{plain_url(url)}: the server sent the file packed ({named[:40]}), though it was asked not to.",
            retryable=False,
        )


def _raw(response: requests.Response) -> Iterator[bytes]:
    import urllib3

    try:
        # read1 gives what is there: a server that drips can't outlast the deadline within one read.
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            yield chunk
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise Interrupted(reason(error)) from None


def _unpacked(url: str, response: requests.Response) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_ANY_WRAPPER)
    is_first = packing(response) == "deflate"
    try:
        for chunk in _raw(response):
            data = chunk
            if is_first and data[0] & 15 != _ZLIB_METHOD:
                unpacker = zlib.decompressobj(_NO_WRAPPER)
            is_first = False
            while data:
                yield unpacker.decompress(data, CHUNK)
                data = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error:
        raise DownloadFailed(
            f"{plain_url(url)}: the server says that the file is packed, and it can't be unpacked.",
            retryable=False,
        ) from None
    if not unpacker.eof:
        raise Interrupted("cut off within a packed file")
