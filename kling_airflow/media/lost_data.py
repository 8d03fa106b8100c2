"""Finds compressed pixels that were replaced by zeros, as interrupted transfers leave them.

The decoders of WebP, AVIF, HEIC and JPEG 2000 read such data as a picture. A coder that packs pixels as
tightly as these never writes long runs of 0x00 or 0xFF.
"""

from __future__ import annotations

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.file_kinds import DAMAGE_TODO
from kling_airflow.media.iso_boxes import boxes

_RUN = 512
"""Bytes: the shortest run that is taken for lost data. In WebP, AVIF and HEIC files made by encoders none of
32 bytes was seen."""

_JPEG_2000_RUN = 4096  # empty packets of a plain picture are zero bytes
_WEBP_PIXELS = (b"VP8 ", b"VP8L")


def check_boxes(data: bytes) -> None:
    """Refuse an AVIF or HEIC file that is cut short, or whose compressed pixels were replaced.

    :raises InvalidFrame: if a part of the file is missing.
    """
    for box in boxes(data):
        if box.kind == b"mdat":
            _check_run(data[box.begin : box.end], _RUN)


def check_webp(data: bytes) -> None:
    """Refuse a WebP file that is cut short, or whose compressed pixels were replaced.

    :raises InvalidFrame: if a part of the file is missing.
    """
    size = int.from_bytes(data[4:8], "little") + 8
    if size > len(data) + 1:  # the byte that pads the last chunk to an even length is often left out
        raise _lost(f"it says that it has {size:,} bytes; {len(data):,} are there")
    _check_webp_chunks(data, 12, min(size, len(data)))


def _check_webp_chunks(data: bytes, at: int, end: int) -> None:
    while at + 8 <= end:
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in _WEBP_PIXELS:
            _check_run(data[at + 8 : at + 8 + length], _RUN)
        elif kind == b"ANMF":
            _check_webp_chunks(data, at + 24, at + 8 + length)
        at += 8 + length + length % 2


def check_jpeg2000(data: bytes) -> None:
    """Refuse a JPEG 2000 file whose compressed pixels were replaced.

    :raises InvalidFrame: if a part of the file is missing.
    """
    _check_run(data, _JPEG_2000_RUN)


def _check_run(data: bytes, length: int) -> None:
    for byte in (b"\0", b"\xff"):
        if byte * length in data:
            raise _lost(f"{length} bytes or more of its compressed pixels are all 0x{byte.hex().upper()}")


def _lost(how: str) -> InvalidFrame:
    return InvalidFrame(f"The source can't be decoded in full: {how}.", todo=DAMAGE_TODO)
