"""The body of a response, read within bounds: its size counts after decompression."""

from __future__ import annotations

import zlib
from typing import Final

ACCEPT_ENCODING: Final = "gzip, deflate"
ERROR_MAX_BYTES: Final = 64 * 1024
"""The part of an error's body that is read: its message is in it, and the rest is not needed."""
CHUNK: Final = 64 * 1024
_GZIP_OR_ZLIB = 47
_RAW_DEFLATE = -15


class TooLarge(Exception):
    """The body is larger than the call allows."""


class CannotDecompress(Exception):
    """The body is compressed in a way that was not asked for, or is damaged."""


class Body:
    """Collects a body piece by piece.

    :param status: the status of the response: the body of a redirect is not read, that of an error is cut.
    :param encoding: the header `Content-Encoding`.
    :param max_bytes: the largest decompressed body.
    """

    def __init__(self, status: int, encoding: str, max_bytes: int) -> None:
        self._is_error = status >= 400
        self.is_complete = 300 <= status < 400 or status == 204
        """Whether no further piece is needed."""
        self._limit = ERROR_MAX_BYTES if self._is_error else max_bytes
        self._encoding = encoding.strip().lower()
        self._decompressor = _decompressor(self._encoding) if not self.is_complete else None
        self._data = bytearray()

    def add(self, piece: bytes) -> None:
        """Take in a piece as it was received.

        :raises TooLarge: if the body is too large; never for an error, which is cut instead.
        :raises CannotDecompress: if the piece can't be decompressed.
        """
        decompressor = self._decompressor
        if decompressor is None:
            self._append(piece)
            return
        while piece and not self.is_complete:
            room = self._limit + 1 - len(self._data)
            piece = self._decompress(decompressor, piece, min(room, CHUNK))
            decompressor = self._decompressor or decompressor

    def content(self) -> bytes:
        """Return the whole body."""
        return bytes(self._data)

    def _decompress(self, decompressor: zlib._Decompress, piece: bytes, max_length: int) -> bytes:
        """Append at most `max_length` bytes; return the rest of the piece."""
        try:
            data = decompressor.decompress(piece, max_length)
        except zlib.error:
            if self._encoding != "deflate" or self._data:
                raise CannotDecompress("is compressed, and the compressed data is damaged") from None
            self._encoding = "raw deflate"  # what some servers send under the name `deflate`
            self._decompressor = zlib.decompressobj(_RAW_DEFLATE)
            return piece
        self._append(data)
        if decompressor.eof:
            rest = decompressor.unused_data
            if not rest.startswith(b"\x1f\x8b"):  # no further gzip member
                return b""
            self._decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)
            return rest
        return decompressor.unconsumed_tail

    def _append(self, data: bytes) -> None:
        self._data += data
        if len(self._data) <= self._limit:
            return
        if not self._is_error:
            raise TooLarge
        del self._data[self._limit :]
        self.is_complete = True


def _decompressor(encoding: str) -> zlib._Decompress | None:
    if encoding in {"", "identity"}:
        return None
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return zlib.decompressobj(_GZIP_OR_ZLIB)
    raise CannotDecompress(f"is encoded as {encoding[:40]!r}, which was not asked for")
