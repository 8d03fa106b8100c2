"""Opens BMP files: alpha channels that mean nothing, and the color space of versions 4 and 5."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.color_profile import Primaries, gamma_curve, rgb_profile, rgb_profile_of_curves
from kling_airflow.media.file_kinds import DAMAGE_ADVICE
from kling_airflow.media.picture import Picture, open_image
from kling_airflow.media.transparency import without_empty_alpha
from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from PIL import Image

_HEADER = 14  # bytes of the file header
_V4, _V5 = 108, 124  # sizes of the second header
_EMBEDDED = b"DEBM"  # "MBED", as stored
_CALIBRATED = b"\0\0\0\0"
_CURVE_STEPS = 1024


@dataclass
class BmpPicture(Picture):
    """A BMP file whose header is read."""

    def decode(self, scale: float) -> Image.Image:
        """Decode the pixels; an alpha channel of zeros only is ignored."""
        return without_empty_alpha(super().decode(scale))


def open_bmp(data: bytes, *, max_pixels: int) -> BmpPicture:
    """Read the header of a BMP file.

    :raises InvalidFrame: if the file is cut short or can't be read.
    """
    try:
        image = open_image(data, ("BMP",))
    except Exception as error:
        raise InvalidFrame(f"The BMP file can't be read ({in_short(error)}).", todo=DAMAGE_ADVICE) from error
    return BmpPicture(image, max_pixels, profile=_profile(data))


def _profile(data: bytes) -> bytes | None:
    header_size = int.from_bytes(data[_HEADER : _HEADER + 4], "little")
    if header_size < _V4 or len(data) < _HEADER + _V4:
        return None
    kind = data[_HEADER + 56 : _HEADER + 60]
    if kind == _EMBEDDED and header_size >= _V5:
        offset, size = struct.unpack("<II", data[_HEADER + 112 : _HEADER + 120])
        return data[_HEADER + offset : _HEADER + offset + size] or None
    return _calibrated(data[_HEADER + 60 : _HEADER + _V4]) if kind == _CALIBRATED else None


def _calibrated(fields: bytes) -> bytes | None:
    """Return the profile of the end points and gammas in the header; None if they are unset."""
    values = struct.unpack("<12I", fields)
    ends = [[value / (1 << 30) for value in values[at : at + 3]] for at in (0, 3, 6)]
    gammas = [value / 65536 for value in values[9:12]]
    if not all(gammas) or not all(sum(end) for end in ends):
        return None
    white = [sum(end[axis] for end in ends) for axis in range(3)]
    points = [(end[0] / sum(end), end[1] / sum(end)) for end in (*ends, white)]
    primaries = Primaries(*points)
    if not primaries.is_possible():
        return None
    if len(set(gammas)) == 1:
        return rgb_profile(primaries, gamma_curve(gammas[0]), name="BMP header")
    steps = [number / (_CURVE_STEPS - 1) for number in range(_CURVE_STEPS)]
    curves = [[step**gamma for step in steps] for gamma in gammas]
    return rgb_profile_of_curves(primaries, curves, name="BMP header")
