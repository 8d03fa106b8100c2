"""Makes ICC profiles of colors that a file describes otherwise: by primaries and a transfer curve.

Every way in which a file can say what its colors are ends in an ICC profile, so that Little CMS alone
converts colors.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Chromaticity = tuple[float, float]
Curve = Callable[[float], float]
"""Light, 0 to 1, for an encoded value, 0 to 1."""

_TABLE = 4096  # entries of a curve; Little CMS interpolates between them
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
D65: Chromaticity = (0.3127, 0.3290)


@dataclass(frozen=True)
class Primaries:
    """The colors of full red, green and blue, and of white, as CIE x and y."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity = D65

    def is_near(self, other: Primaries, tolerance: float = 0.002) -> bool:
        """Whether both describe the same colors but for rounding."""
        return all(
            abs(a - b) <= tolerance
            for mine, theirs in zip(self._points(), other._points(), strict=True)
            for a, b in zip(mine, theirs, strict=True)
        )

    def is_possible(self) -> bool:
        """Whether these four points span a color space."""
        (rx, ry), (gx, gy), (bx, by), _ = points = self._points()
        area = abs((gx - rx) * (by - ry) - (bx - rx) * (gy - ry))
        return area > 0.001 and all(0 <= x <= 1 and 0 < y <= 1 for x, y in points[3:] + points[:3])

    def _points(self) -> tuple[Chromaticity, ...]:
        return self.red, self.green, self.blue, self.white


SRGB = Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))


def srgb_curve(value: float) -> float:
    """Return the light of an sRGB value."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def gamma_curve(exponent: float) -> Curve:
    """Return the curve of a pure power."""
    return lambda value: value**exponent


def rgb_profile(primaries: Primaries, curve: Curve, *, name: str) -> bytes:
    """Return an ICC profile for RGB pixels.

    :param name: the profile's description.
    """
    matrix = _to_d50(primaries)
    columns = [_xyz([row[number] for row in matrix]) for number in range(3)]
    table = curve_tag([curve(number / (_TABLE - 1)) for number in range(_TABLE)])
    tags = [(b"desc", _description(name)), (b"cprt", _text("none")), (b"wtpt", _xyz(_D50))]
    tags += list(zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True))
    tags += [(tag, table) for tag in (b"rTRC", b"gTRC", b"bTRC")]
    return _profile(b"RGB ", tags)


def rgb_profile_of_curves(primaries: Primaries, curves: Sequence[Sequence[float]], *, name: str) -> bytes:
    """Return an ICC profile for RGB pixels with a table of its own for each channel, 0 to 1."""
    matrix = _to_d50(primaries)
    columns = [_xyz([row[number] for row in matrix]) for number in range(3)]
    tags = [(b"desc", _description(name)), (b"cprt", _text("none")), (b"wtpt", _xyz(_D50))]
    tags += list(zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True))
    tags += [(tag, curve_tag(c)) for tag, c in zip((b"rTRC", b"gTRC", b"bTRC"), curves, strict=True)]
    return _profile(b"RGB ", tags)


def curve_tag(values: Sequence[float]) -> bytes:
    """Return a curve as an ICC element: a table of 16-bit values."""
    levels = [round(min(1.0, max(0.0, value)) * 65535) for value in values]
    return b"curv\0\0\0\0" + struct.pack(f">I{len(levels)}H", len(levels), *levels)


def _to_d50(primaries: Primaries) -> list[list[float]]:
    """Return the matrix from linear RGB to CIE XYZ under D50, the white point of ICC profiles."""
    points = (primaries.red, primaries.green, primaries.blue)
    columns = [_from_xy(point) for point in points]
    base = [[columns[j][i] for j in range(3)] for i in range(3)]
    white = _from_xy(primaries.white)
    scale = _times(_inverse(base), white)
    matrix = [[base[i][j] * scale[j] for j in range(3)] for i in range(3)]
    ours, wanted = _times(_BRADFORD, white), _times(_BRADFORD, _D50)
    ratio = [[wanted[i] / ours[i] if i == j else 0.0 for j in range(3)] for i in range(3)]
    adaptation = _product(_product(_inverse(_BRADFORD), ratio), _BRADFORD)
    return _product(adaptation, matrix)


def _from_xy(point: Chromaticity) -> list[float]:
    x, y = point
    return [x / y, 1.0, (1 - x - y) / y]


def _times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _product(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> list[list[float]]:
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def _inverse(m: Sequence[Sequence[float]]) -> list[list[float]]:
    (a, b, c), (d, e, f), (g, h, i) = m
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return [
        [(e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det],
        [(f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det],
        [(d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det],
    ]


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: Sequence[float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _text(text: str) -> bytes:
    return b"text\0\0\0\0" + text.encode("ascii") + b"\0"


def _description(text: str) -> bytes:
    data = text.encode("ascii", "replace") + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(data)) + data + bytes(78)


def _profile(space: bytes, tags: Sequence[tuple[bytes, bytes]]) -> bytes:
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for tag, element in tags:
        body += bytes(-(offset + len(body)) % 4)
        table += tag + struct.pack(">II", offset + len(body), len(element))
        body += element
    head = struct.pack(">I4xBBxx4s4s4s", offset + len(body), 2, 0x40, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s28x", 2000, 1, 1, 0, 0, 0, b"acsp") + b"".join(map(_fixed, _D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body
