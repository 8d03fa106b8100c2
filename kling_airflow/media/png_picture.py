"""Opens PNG files: their color chunks, 16-bit color keys, and metadata."""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.color_codes import ColorCodes, profile_of_codes
from kling_airflow.media.color_profile import SRGB, Primaries, gamma_curve, rgb_profile, srgb_curve
from kling_airflow.media.deep_decode import decode_rgb16
from kling_airflow.media.file_kinds import DAMAGE_ADVICE
from kling_airflow.media.picture import Picture, first_orientation, open_image
from kling_airflow.media.png_chunks import PngChunks, read_chunks, read_profile
from kling_airflow.media.transparency import key_to_alpha
from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)

_GRAY, _RGB = 0, 2
_SRGB_GAMMA = 0.45455  # what encoders write when they mean sRGB
_NARROW = (16, 235)


@dataclass
class PngPicture(Picture):
    """A PNG file whose chunks are read.

    :param chunks: what it holds besides pixels.
    :param is_narrow: whether black is 16 and white 235, as in video.
    """

    chunks: PngChunks = field(default_factory=PngChunks)
    is_narrow: bool = False

    def decode(self, scale: float) -> Image.Image:
        """Decode the pixels; a color key becomes an alpha channel."""
        key, depth = self.chunks.transparency, self.chunks.depth
        if key and depth == 16 and self.chunks.color_type == _RGB:
            return self._scaled(decode_rgb16(self.chunks.data, "png"))
        image = super().decode(scale)
        if key and self.chunks.color_type == _GRAY:
            level = int.from_bytes(key[:2], "big")
            if depth == 16:
                return self._scaled(key_to_alpha(image, level))
            # Pillow scales gray levels of 1, 2 and 4 bits to 0 to 255, but not the key.
            image = image.convert("L")
            image.info["transparency"] = level % (1 << depth) * 255 // ((1 << depth) - 1)
        return self._scaled(image)

    def _scaled(self, image: Image.Image) -> Image.Image:
        """Bring a narrow range to the full one."""
        if not self.is_narrow or image.mode not in ("L", "LA", "RGB", "RGBA"):
            return image
        low, high = _NARROW
        table = [min(255, max(0, round((level - low) * 255 / (high - low)))) for level in range(256)]
        alpha = [list(range(256))] if image.mode in ("LA", "RGBA") else []
        tables = [table] * (len(image.getbands()) - len(alpha)) + alpha
        return image.point([level for each in tables for level in each])


def open_png(data: bytes, *, max_pixels: int) -> PngPicture:
    """Read the header and the chunks of a PNG file.

    :raises InvalidFrame: if chunks that hold pixels are damaged or missing.
    """
    chunks = read_chunks(data)
    try:
        image = open_image(chunks.data, ("PNG",))
    except Exception as error:
        raise InvalidFrame(f"The PNG file can't be read ({in_short(error)}).", todo=DAMAGE_ADVICE) from error
    codes = chunks.chunks.get(b"cICP", b"")
    is_coded = len(codes) == 4 and codes[2] == 0
    return PngPicture(
        image,
        max_pixels,
        profile=_profile(chunks, codes if is_coded else b""),
        orientation=first_orientation(chunks.exifs + chunks.text_exifs, [chunks.xmp] if chunks.xmp else []),
        chunks=chunks,
        is_narrow=is_coded and codes[3] == 0,
    )


def _profile(chunks: PngChunks, codes: bytes) -> bytes | None:
    """Return the profile of the pixels, by the order of precedence that the PNG standard gives."""
    if codes:
        return profile_of_codes(ColorCodes(codes[0], codes[1]))
    if b"iCCP" in chunks.chunks:
        return read_profile(chunks.chunks[b"iCCP"])
    if b"sRGB" in chunks.chunks:
        return None
    return _calibrated(chunks.chunks.get(b"gAMA", b""), chunks.chunks.get(b"cHRM", b""))


def _calibrated(gamma: bytes, chromaticities: bytes) -> bytes | None:
    """Return the profile that a gAMA chunk, a cHRM chunk or both describe; None if they describe sRGB."""
    exponent = int.from_bytes(gamma, "big") / 100_000 if len(gamma) == 4 else _SRGB_GAMMA
    primaries = SRGB
    if len(chromaticities) == 32:
        wx, wy, rx, ry, gx, gy, bx, by = (value / 100_000 for value in struct.unpack(">8I", chromaticities))
        primaries = Primaries((rx, ry), (gx, gy), (bx, by), (wx, wy))
    if not exponent or not primaries.is_possible():
        log.warning("The gAMA or cHRM chunk holds impossible values; the colors are taken as sRGB.")
        return None
    if primaries.is_near(SRGB):
        primaries = SRGB
    is_srgb_curve = abs(exponent / _SRGB_GAMMA - 1) < 0.02
    if primaries is SRGB and is_srgb_curve:
        return None
    curve = srgb_curve if is_srgb_curve else gamma_curve(1 / exponent)
    return rgb_profile(primaries, curve, name="gAMA and cHRM")
