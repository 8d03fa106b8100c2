"""Finds compressed pixels that were replaced by zeros, as interrupted transfers leave them.

The decoders of WebP, AVIF, HEIC and JPEG 2000 read such data as a picture. A coder that packs pixels as
tightly as these never writes long runs of 0x00 or 0xFF.
"""

from __future__ import annotations

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.file_kinds import DAMAGE_ADVICE
from kling_airflow.media.iso_boxes import coded_extents

_RUN = 64
"""Bytes: the shortest run that is taken for lost data in AVIF and HEIC. Of encoders, none of 8 was seen."""

_WEBP_RUN = 512
_PIXELS_A_BYTE = 8000  # flat gray makes runs in WebP: 294 bytes of 3 megapixels were seen

_JPEG_2000_RUN = 4096  # empty packets of a plain picture are zero bytes
_WEBP_PIXELS = (b"VP8 ", b"VP8L")


def check_boxes(data: bytes) -> None:
    """Refuse an AVIF or HEIC file that is cut short, or whose compressed pixels were replaced.

    :raises InvalidFrame: if a part of the file is missing.
    """
    for begin, end in coded_extents(data):
        if end > len(data):
            raise _lost(f"its pixels end at byte {end:,}; the file has {len(data):,}")
        _check_run(data[begin:end], _RUN)


def check_webp_length(data: bytes) -> None:
    """Refuse a WebP file that is cut short.

    :raises InvalidFrame: if a part of the file is missing.
    """
    size = int.from_bytes(data[4:8], "little") + 8
    if size > len(data) + 1:  # the byte that pads the last chunk to an even length is often left out
        raise _lost(f"it says that it has {size:,} bytes; {len(data):,} are there")


def check_webp_pixels(data: bytes, pixels: int) -> None:
    """Refuse a WebP file whose compressed pixels were replaced.

    :param pixels: of the picture.
    :raises InvalidFrame: if a part of the file is missing.
    """
    size = int.from_bytes(data[4:8], "little") + 8
    _check_webp_chunks(data, 12, min(size, len(data)), max(_WEBP_RUN, pixels // _PIXELS_A_BYTE))


def _check_webp_chunks(data: bytes, at: int, end: int, run: int) -> None:
    while at + 8 <= end:
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if kind in _WEBP_PIXELS:
            _check_run(data[at + 8 : at + 8 + length], run)
        elif kind == b"ANMF":
            _check_webp_chunks(data, at + 24, at + 8 + length, run)
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
    return InvalidFrame(f"The source can't be decoded in full: {how}.", todo=DAMAGE_ADVICE)
