"""Reads the pages of a TIFF file, and finds the picture among previews, reduced copies and masks.

A page's tags can be changed in a copy of the file, so that Pillow decodes pages that it can't name.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_PAGES = 64  # of a file, subpages included, are looked at
_VALUES = 100_000  # of a tag are read
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
}  # bytes, by a value's type
_BIG_SIZES = {13: 4, 16: 8, 17: 8, 18: 8}
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}

NEW_SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
STRIP_OFFSETS, ORIENTATION, SAMPLES, STRIP_BYTES = 273, 274, 277, 279
TRANSFER_FUNCTION, WHITE_POINT, PRIMARY_COLORS = 301, 318, 319
OLD_SUBFILE_TYPE, TILE_OFFSETS, TILE_BYTES, SUBPAGES = 255, 324, 325, 330
EXTRA_SAMPLES, SAMPLE_FORMAT, JPEG_TABLES = 338, 339, 347
_REDUCED, _MASK = 1, 4
_SIGNED = 2


@dataclass
class TiffPage:
    """One page of a TIFF file.

    :param offset: of its directory.
    :param tags: values by tag, those of short tags and of those that are named here.
    :param places: where the value of a tag is stored, by tag, with its struct format.
    """

    offset: int
    tags: dict[int, tuple[float, ...]] = field(default_factory=dict)
    places: dict[int, tuple[int, str]] = field(default_factory=dict)

    def number(self, tag: int, default: int = 0) -> int:
        """Return the first value of a tag."""
        values = self.tags.get(tag)
        return int(values[0]) if values else default

    @property
    def is_signed(self) -> bool:
        """Whether the samples are signed integers."""
        return self.number(SAMPLE_FORMAT, 1) == _SIGNED

    @property
    def is_auxiliary(self) -> bool:
        """Whether the page calls itself a reduced copy or a mask."""
        return bool(self.number(NEW_SUBFILE_TYPE) & (_REDUCED | _MASK)) or self.number(OLD_SUBFILE_TYPE) == 2

    @property
    def area(self) -> int:
        """Pixels."""
        return self.number(WIDTH) * self.number(HEIGHT)


class TiffFile:
    """The directories of a TIFF or BigTIFF file.

    :param data: the whole file.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = "<" if data[:2] == b"II" else ">"
        self._is_big = len(data) > 4 and 43 in (data[2], data[3])
        self.pages: list[TiffPage] = []
        self._seen: set[int] = set()
        self._read_chain(self._number("Q", 8) if self._is_big else self._number("I", 4))

    def main_page(self) -> TiffPage | None:
        """Return the page that holds the picture: the first that is neither a preview nor a reduced copy."""
        whole = [page for page in self.pages if not page.is_auxiliary and page.area]
        if not whole:
            return max(self.pages, key=lambda page: page.area, default=None)
        first, largest = whole[0], max(whole, key=lambda page: page.area)
        if self.pages[0] is not first:
            return largest
        return largest if _is_preview_of(first, largest) else first

    def with_first_page(self, page: TiffPage, **changes: int) -> bytes:
        """Return the file with another page first, and other values of some tags.

        :param changes: the new value by the tag's number, as ``t262=2``.
        """
        if page.offset == self._first_offset() and not changes:
            return self._data
        copy = bytearray(self._data)
        kind, place = ("Q", 8) if self._is_big else ("I", 4)
        struct.pack_into(self._order + kind, copy, place, page.offset)
        for name, value in changes.items():
            place, kind = page.places[int(name[1:])]
            struct.pack_into(self._order + kind, copy, place, value)
        return bytes(copy)

    def _first_offset(self) -> int:
        return self._number("Q", 8) if self._is_big else self._number("I", 4)

    def _number(self, kind: str, offset: int) -> int:
        size = struct.calcsize(kind)
        part = self._data[offset : offset + size]
        return int(struct.unpack(self._order + kind, part)[0]) if len(part) == size else 0

    def _read_chain(self, offset: int) -> None:
        while offset and offset not in self._seen and len(self.pages) < _PAGES:
            self._seen.add(offset)
            page, offset = self._read_page(offset)
            self.pages.append(page)
            for subpage in page.tags.get(SUBPAGES, ()):
                self._read_chain(int(subpage))

    def _read_page(self, offset: int) -> tuple[TiffPage, int]:
        """Return the page at an offset, and the offset of the next; 0 if there is none."""
        page = TiffPage(offset)
        big = self._is_big
        count = self._number("Q" if big else "H", offset)
        entry, size, at = offset + (8 if big else 2), 20 if big else 12, 0
        for number in range(min(count, 4096)):
            at = entry + number * size
            tag, kind = self._number("H", at), self._number("H", at + 2)
            length = self._number("Q" if big else "I", at + 4)
            self._read_value(page, tag, kind, length, at + (12 if big else 8))
        return page, self._number("Q" if big else "I", entry + count * size)

    def _read_value(self, page: TiffPage, tag: int, kind: int, length: int, at: int) -> None:
        width = (_SIZES | _BIG_SIZES).get(kind)
        if not width or not 0 < length <= _VALUES:
            return
        room = 8 if self._is_big else 4
        if width * length > room:
            at = self._number("Q" if self._is_big else "I", at)
        if kind in (5, 10):
            form = "I" if kind == 5 else "i"
            parts = self._unpack(f"{2 * length}{form}", at)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            page.tags[tag] = tuple(top / bottom if bottom else 0.0 for top, bottom in pairs)
        elif kind in _FORMATS:
            page.tags[tag] = self._unpack(f"{length}{_FORMATS[kind]}", at)
            page.places[tag] = at, _FORMATS[kind]
        else:
            page.tags[tag] = (float(at), float(length))  # bytes: where they are, and how many

    def _unpack(self, form: str, at: int) -> tuple[float, ...]:
        size = struct.calcsize(self._order + form)
        part = self._data[at : at + size]
        return struct.unpack(self._order + form, part) if len(part) == size else ()


def _is_preview_of(first: TiffPage, other: TiffPage) -> bool:
    """Whether a first page that doesn't say what it is looks like a small copy of another."""
    if first is other or first.area * 4 > other.area:
        return False
    shapes = [page.number(WIDTH) / max(1, page.number(HEIGHT)) for page in (first, other)]
    return abs(shapes[0] / shapes[1] - 1) < 0.03
