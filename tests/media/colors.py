"""Colors for the tests: swatches, what they look like by calculation, and how far two colors are apart.

The calculation shares no code with the product: a profile that is wrong there is not wrong here as well.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from PIL import Image

Color = tuple[int, ...]
Curve = Callable[[float], float]
Matrix = Sequence[Sequence[float]]

# Linear RGB to CIE XYZ, each under its own white point D65 (published values).
SRGB_MATRIX = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
P3_MATRIX = (
    (0.4865709, 0.2656677, 0.1982173),
    (0.2289746, 0.6917385, 0.0792869),
    (0.0, 0.0451134, 1.0439444),
)
ADOBE_MATRIX = (
    (0.5767309, 0.1855540, 0.1881852),
    (0.2973769, 0.6273491, 0.0752741),
    (0.0270343, 0.0706872, 0.9911085),
)
BT2020_MATRIX = (
    (0.6369580, 0.1446169, 0.1688810),
    (0.2627002, 0.6779981, 0.0593017),
    (0.0, 0.0280727, 1.0609851),
)
_FROM_XYZ = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
_D65 = (0.95047, 1.0, 1.08883)


def srgb_light(value: float) -> float:
    """Light of an sRGB value, both 0 to 1."""
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def power(exponent: float) -> Curve:
    """A pure power as a curve."""
    return lambda value: value**exponent


SWATCHES: list[Color] = [
    ((30 * x + 20), (45 * y + 40 * x) % 256, (200 - 25 * x + 30 * y) % 256)
    for y in range(6)
    for x in range(8)
]


def swatches(colors: Sequence[Color] = SWATCHES, mode: str = "RGB") -> Image.Image:
    """48 fields of 100 pixels, eight in a row."""
    image = Image.new(mode, (800, 600))
    for number, color in enumerate(colors):
        x, y = number % 8 * 100, number // 8 * 100
        image.paste(color if len(color) > 1 else color[0], (x, y, x + 100, y + 100))
    return image


def seen(image: Image.Image) -> list[Color]:
    """The color in the middle of each field."""
    step = image.width / 8
    found = [image.getpixel((int((n % 8 + 0.5) * step), int((n // 8 + 0.5) * step))) for n in range(48)]
    return [color if isinstance(color, tuple) else (int(color or 0),) for color in found]


def expected(matrix: Matrix, curve: Curve, colors: Sequence[Color] = SWATCHES) -> list[Color]:
    """What the colors of a space look like in sRGB, cut off where sRGB ends."""
    return [_in_srgb(_product(matrix, [curve(value / 255) for value in color])) for color in colors]


def difference(found: Sequence[Color], wanted: Sequence[Color]) -> float:
    """Mean distance (CIE 1976 delta E) of colors in sRGB; 1 is just about visible."""
    return statistics.fmean(
        sum((a - b) ** 2 for a, b in zip(_lab(x), _lab(y), strict=True)) ** 0.5
        for x, y in zip(found, wanted, strict=True)
    )


def _in_srgb(xyz: Sequence[float]) -> Color:
    light = (min(1.0, max(0.0, value)) for value in _product(_FROM_XYZ, xyz))
    return tuple(
        round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))
        for value in light
    )


def _lab(color: Color) -> tuple[float, float, float]:
    xyz = _product(SRGB_MATRIX, [srgb_light(value / 255) for value in color])
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (value / white for value, white in zip(xyz, _D65, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _product(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]
