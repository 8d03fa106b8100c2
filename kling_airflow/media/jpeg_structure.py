"""Reads the structure of a JPEG file: its size, its coding, and which parts of the pixels are there.

Only markers are read; nothing is decoded. The findings serve the checks of ``jpeg_check``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.file_kinds import DAMAGE_ADVICE

_SOS, _EOI, _DRI, _DHT = 0xDA, 0xD9, 0xDD, 0xC4
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {_DHT, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_HUFFMAN = (0xC0, 0xC1, _PROGRESSIVE)
_STANDALONE = {0x01, *range(0xD0, 0xD8)}
# A marker that ends entropy-coded data: neither a stuffed zero, nor a restart, nor a fill byte.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")


@dataclass(frozen=True)
class Scan:
    """One pass of entropy-coded data.

    :param components: ids of the color components in it.
    :param band: first and last coefficient of a progressive scan.
    :param low_bit: the lowest bit that a progressive scan holds; 0 is full precision.
    :param begin: offset of the entropy-coded data.
    :param end: offset of the marker after it, or the file's length.
    """

    components: tuple[int, ...]
    band: tuple[int, int]
    low_bit: int
    begin: int
    end: int


@dataclass
class JpegStructure:
    """What the markers of a JPEG file say.

    :param coding: the frame header's marker: 0xC0 is baseline, 0xC2 progressive.
    :param precision: bits a sample.
    :param width: pixels, as stored.
    :param height: pixels, as stored.
    :param sampling: horizontal and vertical factors by component id.
    :param scans: in the order of the file.
    :param has_end: whether the end marker is there.
    :param end: offset of the end marker, or the file's length.
    """

    coding: int = 0
    precision: int = 8
    width: int = 0
    height: int = 0
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    scans: list[Scan] = field(default_factory=list)
    has_end: bool = False
    end: int = 0

    @property
    def is_single_scan(self) -> bool:
        """Whether all pixels are coded from top to bottom in one pass."""
        return self.coding != _PROGRESSIVE and len(self.scans) == 1

    @property
    def is_progressive(self) -> bool:
        """Whether each pass refines the whole picture."""
        return self.coding == _PROGRESSIVE

    @property
    def is_usual(self) -> bool:
        """Whether every decoder reads it: Huffman codes, 8 bits, no unusual sampling of the colors."""
        factors = list(self.sampling.values())
        return (
            self.coding in _HUFFMAN
            and self.precision == 8
            and len(factors) in (1, 3, 4)
            and factors[0] in ((1, 1), (2, 1), (1, 2), (2, 2))
            and all(factor in ((1, 1), factors[0]) for factor in factors[1:])
            and factors[1:2] == factors[2:3]
        )

    @property
    def coefficient_bytes(self) -> int:
        """Memory that a decoder needs for the coefficients of all passes; 0 if one pass suffices."""
        if self.is_single_scan or not self.sampling:
            return 0
        wide, high = self._largest_factors()
        shares = sum(x * y / (wide * high) for x, y in self.sampling.values())
        return round(self.width * self.height * shares * 2)

    def units(self, components: tuple[int, ...]) -> int:
        """Return how many coding units a scan of these components has."""
        wide, high = self._largest_factors()
        if len(components) > 1:
            return math.ceil(self.width / (8 * wide)) * math.ceil(self.height / (8 * high))
        x, y = self.sampling.get(components[0], (1, 1))
        columns = math.ceil(math.ceil(self.width * x / wide) / 8)
        return columns * math.ceil(math.ceil(self.height * y / high) / 8)

    def _largest_factors(self) -> tuple[int, int]:
        return max(x for x, _ in self.sampling.values()), max(y for _, y in self.sampling.values())


def read_structure(data: bytes) -> JpegStructure:
    """Return the structure of a JPEG file.

    :param data: the whole file; what follows the end marker is not looked at.
    :raises InvalidFrame: if parts of the file are missing: a header, restart markers, or whole scans.
    """
    found = JpegStructure()
    interval, at = 0, 2
    while (at := _next_marker(data, at)) >= 0:
        marker = data[at + 1]
        if marker == _EOI:
            found.has_end, found.end = True, at
            break
        if marker in _STANDALONE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        segment = data[at + 4 : at + 2 + length]
        if length < 2 or len(segment) != length - 2:
            raise damaged("it ends within a header")
        if marker in _FRAME_HEADERS and not found.coding:
            _read_frame_header(found, marker, segment)
        elif marker == _DRI:
            interval = int.from_bytes(segment[:2], "big")
        at += 2 + length
        if marker == _SOS:
            at = _read_scan(found, data, at, segment, interval)
    if not found.has_end:
        found.end = len(data)
    _check_scans(found)
    return found


def damaged(how: str) -> InvalidFrame:
    """Return the error for a damaged JPEG file."""
    return InvalidFrame(f"The JPEG file can't be decoded in full: {how}.", todo=DAMAGE_ADVICE)


def _next_marker(data: bytes, at: int) -> int:
    """Return the offset of the next marker, fill bytes and stray bytes skipped; -1 if there is none."""
    while (at := data.find(b"\xff", at)) >= 0:
        following = data[at + 1 : at + 2]
        if not following:
            return -1
        if following not in (b"\xff", b"\0"):
            return at
        at += 1
    return -1


def _read_frame_header(found: JpegStructure, marker: int, segment: bytes) -> None:
    if len(segment) < 6 or len(segment) < 6 + 3 * segment[5] or not segment[5]:
        raise damaged("its frame header is cut short")
    found.coding, found.precision = marker, segment[0]
    found.height = int.from_bytes(segment[1:3], "big")
    found.width = int.from_bytes(segment[3:5], "big")
    for number in range(segment[5]):
        component, factors = segment[6 + 3 * number], segment[7 + 3 * number]
        found.sampling[component] = (max(1, factors >> 4), max(1, factors & 15))


def _read_scan(found: JpegStructure, data: bytes, at: int, segment: bytes, interval: int) -> int:
    """Add the scan whose header is ``segment``; return the offset of the marker after its data."""
    count = segment[0] if segment else 0
    if not found.coding or not count or len(segment) < 4 + 2 * count:
        raise damaged("a scan header is cut short")
    components = tuple(segment[1 + 2 * number] for number in range(count))
    first, last, approximation = segment[1 + 2 * count : 4 + 2 * count]
    following = _MARKER.search(data, at)
    end = following.start() if following else len(data)
    found.scans.append(Scan(components, (first, last), approximation & 15, at, end))
    if interval:
        _check_restarts(found.units(components), interval, _RESTART.findall(data, at, end))
    return end


def _check_restarts(units: int, interval: int, restarts: list[bytes]) -> None:
    """Refuse a scan in which restart markers are missing: the data between them are missing as well."""
    expected = math.ceil(units / interval) - 1
    in_order = all(marker[0] == 0xD0 + number % 8 for number, marker in enumerate(restarts))
    if not in_order or len(restarts) not in (expected, expected + 1):
        raise damaged(f"it has {len(restarts)} of {expected} restart markers, or not in their order")


def _check_scans(found: JpegStructure) -> None:
    if not found.scans:
        raise InvalidFrame(
            "The source is not a picture that can be read: it begins as a JPEG file and has no pixels.",
            todo=DAMAGE_ADVICE,
        )
    seen = {component for scan in found.scans for component in scan.components}
    if set(found.sampling) - seen:
        raise damaged("a color component is missing")
    if not found.is_progressive:
        return
    for component in found.sampling:
        low_bits = [-1] * 64
        for scan in found.scans:
            if component in scan.components:
                first, last = scan.band
                low_bits[first : last + 1] = [scan.low_bit] * (min(last, 63) + 1 - first)
        if any(low_bits):
            raise damaged("passes that refine the picture are missing")
