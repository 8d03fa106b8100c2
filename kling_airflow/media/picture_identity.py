"""A hash of what a picture shows: its metadata makes no other picture."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator
from typing import Final

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_SHOWN: Final = frozenset({b"IHDR", b"PLTE", b"tRNS"})
_JPEG: Final = b"\xff\xd8\xff"
_JPEG_COMMENT: Final = 0xFE
_JPEG_ADOBE: Final = 0xEE
"""APP14, which says how the colours are coded."""
_JPEG_SCAN: Final = 0xDA
_JPEG_END: Final = 0xD9
_ORIENTATION: Final = 0x0112


def picture_identity(data: bytes) -> str:
    """Return a hash of a picture's coded pixels; two files that differ only in metadata share it.

    Nothing is decoded to pixels. Text chunks, Exif, ICC profiles and comments don't count, but Exif's
    orientation does, because it turns the picture. A file that is neither PNG nor JPEG, or is damaged, is
    hashed whole.

    :param data: a file of any format.
    """
    digest = hashlib.sha256()
    try:
        parts = _png(data) if data.startswith(_PNG) else _jpeg(data) if data.startswith(_JPEG) else None
        if parts is None:
            return hashlib.sha256(data).hexdigest()
        for part in parts:
            digest.update(part)
    except (ValueError, IndexError, zlib.error):
        return hashlib.sha256(data).hexdigest()
    turned = _orientation(data)
    if turned != 1:
        digest.update(f"orientation {turned}".encode())
    return digest.hexdigest()


def _png(data: bytes) -> Iterator[bytes]:
    """Yield the header, the palette, the transparency, and the coded pixels however they are cut."""
    at = len(_PNG)
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if len(kind) < 4 or len(body) < length:
            raise ValueError("the file is cut short")
        if kind in _PNG_SHOWN:
            yield kind + body
        elif kind == b"IDAT":
            yield body
        elif kind == b"IEND":
            return
        at += 12 + length
    raise ValueError("the file has no end")


def _jpeg(data: bytes) -> Iterator[bytes]:
    """Yield the tables and the coded pixels, without application segments and comments."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ValueError("a segment is missing")
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker == _JPEG_END:
            return
        end = at + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise ValueError("the file is cut short")
        application = 0xE0 <= marker <= 0xEF and marker != _JPEG_ADOBE
        if not application and marker != _JPEG_COMMENT:
            yield bytes([marker]) + data[at:end]
        at = end
        if marker == _JPEG_SCAN:
            at = _end_of_scan(data, end)
            yield data[end:at]


def _end_of_scan(data: bytes, at: int) -> int:
    """Return where the coded pixels end: at the first marker that is no restart and no stuffed byte."""
    while True:
        at = data.index(b"\xff", at)
        if data[at + 1] != 0x00 and not 0xD0 <= data[at + 1] <= 0xD7:
            return at
        at += 2


def _orientation(data: bytes) -> int:
    """Return Exif's orientation, 1 if there is none or it can't be read."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            value = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) and 1 < value <= 8 else 1
