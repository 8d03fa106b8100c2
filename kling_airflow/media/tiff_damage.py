"""Finds damage in the strips and tiles of a TIFF file that Pillow's TIFF library passes over.

The library reports some damage on the worker's error output only, and never looks at what follows the last
pixel of a strip: a checksum, or the data of pixels that were lost before it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from kling_airflow.errors import InvalidFrame
from kling_airflow.media import tiff_pages as tiff
from kling_airflow.media.deep_decode import decode_strictly
from kling_airflow.media.file_kinds import DAMAGE_ADVICE
from kling_airflow.media.jpeg_picture import open_jpeg
from kling_airflow.media.tiff_pages import TiffPage

_FAX = (2, 3, 4)
_JPEG = 7
_DEFLATE = (8, 32946)
_BLOCK = 1 << 20  # bytes that are decompressed at once
# FFmpeg's strict decoding refuses a file with any other tag.
_FFMPEG_TAGS = {254, *range(256, 260), 262, 266, 269, 270, 271, 272, 273, 277, 278, 279, 282, 283, 284}
_FFMPEG_TAGS |= {292, 293, 296, 305, 306, 315, 316, 34675}


def check_strips(data: bytes, page: TiffPage, *, max_pixels: int) -> None:
    """Refuse a page whose strips or tiles are damaged.

    :param data: the file with that page first.
    :param max_pixels: of one strip or tile.
    :raises InvalidFrame: at the first damage.
    """
    compression = page.number(tiff.COMPRESSION)
    if compression in _FAX and not set(page.tags) - _FFMPEG_TAGS:
        decode_strictly(data, "tiff")
    elif compression == _JPEG:
        for part in _jpeg_parts(data, page):
            with open_jpeg(part, max_pixels=max_pixels) as picture:
                picture.decode(scale=0.0)
    elif compression in _DEFLATE:
        for part in _parts(data, page):
            _check_deflate(part)


def _parts(data: bytes, page: TiffPage) -> Iterator[bytes]:
    offsets = page.tags.get(tiff.TILE_OFFSETS) or page.tags.get(tiff.STRIP_OFFSETS, ())
    lengths = page.tags.get(tiff.TILE_BYTES) or page.tags.get(tiff.STRIP_BYTES, ())
    for offset, length in zip(offsets, lengths, strict=False):
        if length:  # a tile that was left out is all zeros
            yield data[int(offset) : int(offset + length)]


def _check_deflate(part: bytes) -> None:
    """Compare the checksum at the end of a strip."""
    unpacker = zlib.decompressobj()
    how = "it has no end"
    try:
        while part and not unpacker.eof:
            unpacker.decompress(part, _BLOCK)
            part = unpacker.unconsumed_tail
    except zlib.error as error:
        how = str(error)
    if not unpacker.eof:
        raise InvalidFrame(
            f"The source can't be decoded in full: a strip of the TIFF file is damaged ({how}).",
            todo=DAMAGE_ADVICE,
        )


def _jpeg_parts(data: bytes, page: TiffPage) -> Iterator[bytes]:
    """Yield the strips or tiles of a JPEG-compressed page, each as a JPEG file of its own."""
    tables = page.tags.get(tiff.JPEG_TABLES, ())
    head = b""
    if len(tables) == 2:
        head = data[int(tables[0]) : int(tables[0] + tables[1])].removesuffix(b"\xff\xd9")
    for part in _parts(data, page):
        yield head + part[2:] if head else part
