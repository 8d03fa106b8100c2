"""Brings any kind of pixels to 8 bits a channel without clipping."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame

if TYPE_CHECKING:
    from PIL import Image

_DEEP_GRAYS = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Convert any of Pillow's modes to L, LA, RGB, RGBA, CMYK or LAB."""
    if image.mode in _DEEP_GRAYS:
        return _scaled_gray(image)
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if has_alpha:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def signed_to_eight_bits(image: Image.Image, bits: int) -> Image.Image:
    """Return gray of signed samples as L.

    The range is that of the positive numbers if no sample is below 0; any other picture is stretched from its
    darkest to its brightest pixel.

    :param image: of mode I, or of mode L with the samples' bytes as they are.
    :param bits: of a sample, 8 or 16.
    """
    # The byte of -128 is 128, that of -1 is 255: turned by 128, the bytes are in their order.
    floats = (image.point([level ^ 128 for level in range(256)]) if image.mode == "L" else image).convert("F")
    offset = 128 if image.mode == "L" else 0
    low, high = (float(value) - offset for value in floats.getextrema())  # type: ignore[arg-type]
    if low >= 0:
        low, high = 0.0, float(2 ** (bits - 1) - 1)
    gain = 255 / (high - low) if high > low else 0.0
    return floats.point(lambda value: value * gain + (0.5 - (low + offset) * gain)).convert("L")


def _scaled_gray(image: Image.Image) -> Image.Image:
    """Scale 16- and 32-bit grays to 0 to 255 instead of clipping them.

    The range is 0 to 65535 for 16-bit values and for 32-bit integers within it, and 0 to 1 for floats
    within it. Any other picture is stretched from its darkest to its brightest pixel.
    """
    floats = image.convert("I").convert("F") if image.mode.startswith("I;") else image.convert("F")
    extrema = floats.getextrema()
    low, high = float(extrema[0]), float(extrema[1])  # type: ignore[arg-type]
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidFrame("The source has pixels that are not numbers (NaN or infinite).")
    if image.mode.startswith("I;") or (image.mode == "I" and low >= 0 and high <= 65535):
        low, high = 0.0, 65535.0
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    gain = 255 / (high - low) if high > low else 0.0
    return floats.point(lambda value: value * gain + (0.5 - low * gain)).convert("L")
