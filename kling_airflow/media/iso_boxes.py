"""Reads the boxes of AVIF, HEIC and JPEG 2000 files: colors, and where the compressed pixels are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kling_airflow.media.color_codes import ColorCodes

_FULL_BOXES = (b"meta",)  # a version and flags stand before their content
_DEEPEST = 6
_CONTAINERS = (b"meta", b"iprp", b"ipco", b"jp2h")


@dataclass(frozen=True)
class Box:
    """A box: its type, and where its content is."""

    kind: bytes
    begin: int
    end: int


def boxes(data: bytes, begin: int = 0, end: int | None = None, depth: int = 0) -> Iterator[Box]:
    """Yield the boxes of a file and those within its containers, in the order of the file."""
    end = len(data) if end is None else end
    while begin + 8 <= end:
        size, kind, head = int.from_bytes(data[begin : begin + 4], "big"), data[begin + 4 : begin + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[begin + 8 : begin + 16], "big"), 16
        size = size or end - begin
        if size < head:
            return
        box = Box(kind, begin + head, min(begin + size, end))
        yield box
        if kind in _CONTAINERS and depth < _DEEPEST:
            yield from boxes(data, box.begin + (4 if kind in _FULL_BOXES else 0), box.end, depth + 1)
        begin += size


def color_codes(data: bytes) -> ColorCodes | None:
    """Return the color codes (nclx) of the first picture in an AVIF or HEIC file; None if it has none."""
    for box in boxes(data):
        if box.kind == b"colr" and data[box.begin : box.begin + 4] == b"nclx" and box.end - box.begin >= 8:
            content = data[box.begin : box.end]
            return ColorCodes(int.from_bytes(content[4:6], "big"), int.from_bytes(content[6:8], "big"))
    return None


def jpeg2000_profile(data: bytes) -> bytes | None:
    """Return the ICC profile in the header of a JPEG 2000 file; None if it has none."""
    for box in boxes(data):
        # Methods 2 and 3 are ICC profiles; 1 is a number for sRGB, gray or sYCC, which the decoder knows.
        if box.kind == b"colr" and data[box.begin : box.begin + 1] in (b"\2", b"\3"):
            return data[box.begin + 3 : box.end]
    return None


def boxed_xmp(data: bytes) -> bytes | None:
    """Return the XMP packet in the ``uuid`` box of a JPEG 2000 file; None if it has none."""
    for box in boxes(data):
        if box.kind == b"uuid" and data[box.begin : box.begin + 16] == _XMP_UUID:
            return data[box.begin + 16 : box.end]
    return None


_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
