"""Reads the boxes of AVIF, HEIC and JPEG 2000 files: colors, and where the compressed pixels are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kling_airflow.media.color_codes import ColorCodes

_FULL_BOXES = (b"meta",)  # a version and flags stand before their content
_DEEPEST = 6
_CONTAINERS = (b"meta", b"iprp", b"ipco", b"jp2h")
_CODED_ITEMS = (b"av01", b"hvc1", b"hev1", b"lhv1")


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


def coded_extents(data: bytes) -> list[tuple[int, int]]:
    """Return where the compressed pixels of an AVIF or HEIC file begin and end, by its item tables.

    Metadata, such as EXIF with its padding, lie in the same box and are left out. A file without the tables
    has its whole ``mdat`` boxes returned.
    """
    found = list(boxes(data))
    coded = {item for box in found if box.kind == b"iinf" for item in _coded_items(data, box)}
    extents = [
        extent
        for box in found
        if box.kind == b"iloc"
        for item, extent in _item_extents(data, box)
        if item in coded
    ]
    return extents or [(box.begin, box.end) for box in found if box.kind == b"mdat"]


def _coded_items(data: bytes, box: Box) -> Iterator[int]:
    """Yield the ids of the items in an ``iinf`` box that are compressed pixels."""
    head = 8 if data[box.begin : box.begin + 1] != b"\0" else 6
    for entry in boxes(data, box.begin + head, box.end):
        version = data[entry.begin : entry.begin + 1]
        size = 4 if version == b"\3" else 2
        at = entry.begin + 4
        if entry.kind == b"infe" and data[at + size + 2 : at + size + 6] in _CODED_ITEMS:
            yield int.from_bytes(data[at : at + size], "big")


def _item_extents(data: bytes, box: Box) -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield an ``iloc`` box's items, each with an extent of the file."""
    at = box.begin

    def take(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(data[at - size : at], "big")

    version = take(4) >> 24
    sizes = take(2)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    id_size = 4 if version == 2 else 2
    for _ in range(take(id_size)):
        if at > box.end:
            return
        item, is_elsewhere = take(id_size), bool(version and take(2) & 15)
        _, base, count = take(2), take(base_size), take(2)
        for _ in range(count):
            if at > box.end:
                return
            _, offset, length = take(index_size), take(offset_size), take(length_size)
            if not is_elsewhere:
                yield item, (base + offset, base + offset + length)


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
