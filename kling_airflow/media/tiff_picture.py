"""Opens TIFF files: the real page among previews, and every meaning that the pixels can have."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame
from kling_airflow.media import tiff_pages as tiff
from kling_airflow.media.color_profile import (
    SRGB,
    Primaries,
    rgb_profile,
    rgb_profile_of_curves,
    srgb_curve,
)
from kling_airflow.media.deep_decode import decode_gray_alpha16
from kling_airflow.media.file_signature import RAW
from kling_airflow.media.picture import UPRIGHT, Picture, open_image, orientation_of
from kling_airflow.media.pixel_depth import signed_to_eight_bits
from kling_airflow.media.tiff_damage import check_strips
from kling_airflow.media.tiff_pages import TiffFile, TiffPage
from kling_airflow.media.transparency import without_empty_alpha
from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _YCBCR, _CIELAB, _ICCLAB = 0, 1, 2, 5, 6, 8, 9
_RAW_PHOTOMETRICS = (32803, 34892)
_PHOTOMETRIC_NAMES = {
    _WHITE_IS_ZERO: "gray",
    _BLACK_IS_ZERO: "gray",
    _RGB: "RGB",
    3: "palette",
    4: "mask",
    _CMYK: "CMYK",
    _YCBCR: "YCbCr",
    _CIELAB: "CIELAB",
    _ICCLAB: "ICC LAB",
    10: "ITU LAB",
    32844: "LogL",
    32845: "LogLuv",
}
_SAMPLE_NAMES = {2: "signed integer", 3: "floating-point"}
_JPEG = 7
_XOR_128 = [level ^ 128 for level in range(256)]


@dataclass
class TiffPicture(Picture):
    """A TIFF file of which a page is chosen.

    :param data: the file with that page first.
    :param page: its tags.
    """

    data: bytes = b""
    page: TiffPage = field(default_factory=lambda: TiffPage(0))

    def decode(self, scale: float) -> Image.Image:
        """Decode the page; Pillow turns it upright by its tag."""
        from PIL import ImageChops

        check_strips(self.data, self.page, max_pixels=self.max_pixels)
        photometric = self.page.number(tiff.PHOTOMETRIC)
        image = super().decode(scale)
        if photometric in (_CIELAB, _ICCLAB):
            return _lab(image, is_signed=photometric == _CIELAB)
        if self.page.is_signed and self.page.number(tiff.BITS) in (8, 16) and image.mode in ("I", "L"):
            gray = signed_to_eight_bits(image, self.page.number(tiff.BITS))
            return ImageChops.invert(gray) if photometric == _WHITE_IS_ZERO else gray
        if photometric == _WHITE_IS_ZERO and image.mode == "F":
            return _inverted_floats(image)
        if image.mode.startswith("I;16") and 8 < self.page.number(tiff.BITS) < 16:
            image = _of_16_bits(image, self.page.number(tiff.BITS))
        if photometric == _WHITE_IS_ZERO and image.mode.startswith("I;16"):
            return image.convert("I").point(lambda level: level * -1 + 65535)
        if image.mode == "I" and self.page.number(tiff.SAMPLE_FORMAT, 1) == 1:
            return _of_whole_range(image)
        # A fourth channel that no tag explains is often left unset.
        return image if tiff.EXTRA_SAMPLES in self.page.tags else without_empty_alpha(image)


@dataclass
class GrayAlphaPicture(Picture):
    """A TIFF page of gray and alpha in 16 bits, which Pillow can't read.

    :param data: the file with that page first.
    :param page: its tags.
    """

    data: bytes = b""
    page: TiffPage = field(default_factory=lambda: TiffPage(0))

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height as the tags say, in pixels."""
        return self.page.number(tiff.WIDTH), self.page.number(tiff.HEIGHT)

    def decode(self, scale: float) -> Image.Image:
        """Decode the page by FFmpeg."""
        return decode_gray_alpha16(self.data, "tiff")


def open_tiff(data: bytes, *, max_pixels: int) -> Picture:
    """Read the directories of a TIFF file and the header of its picture.

    :raises InvalidFrame: if the picture is a camera's raw data, or of a kind that isn't read.
    """
    file = TiffFile(data)
    page = file.main_page()
    if page is None:
        raise InvalidFrame("The TIFF file has no page; it may be cut short.")
    photometric = page.number(tiff.PHOTOMETRIC)
    if photometric in _RAW_PHOTOMETRICS:
        raise InvalidFrame(f"The source is {RAW.name} (DNG, NEF, ARW or the like).", todo=RAW.todo)
    if page is not file.pages[0]:
        log.info("The first page of the TIFF file is a preview; its picture is taken.")
    bits = tuple(int(value) for value in page.tags.get(tiff.BITS, (1,)))
    if (
        bits == (16, 16)
        and photometric == _BLACK_IS_ZERO
        and tiff.TILE_OFFSETS not in page.tags
        and not page.is_signed
    ):
        return _open_gray_alpha(file, page, max_pixels)
    chosen = file.with_first_page(page, **_readable_tags(page))
    try:
        image = open_image(chosen, ("TIFF",))
    except Exception as error:
        raise InvalidFrame(
            f"The source is {_describe(page)}, which can't be read ({in_short(error)}).",
            todo="Convert it to 8 bits a channel in RGB, and save it as TIFF or PNG.",
        ) from error
    xmp = image.info.pop("xmp", None)  # some versions of Pillow turn by it, some don't
    return TiffPicture(
        image,
        max_pixels,
        orientation=UPRIGHT if tiff.ORIENTATION in page.tags else orientation_of(None, xmp),
        profile=image.info.get("icc_profile") or _calibrated(page, image.mode),
        data=chosen,
        page=page,
    )


def _open_gray_alpha(file: TiffFile, page: TiffPage, max_pixels: int) -> Picture:
    from PIL import Image

    turn = page.number(tiff.ORIENTATION, 1)
    return GrayAlphaPicture(
        Image.new("1", (1, 1)),  # never decoded
        max_pixels,
        orientation=turn if 1 <= turn <= 8 else 1,
        data=file.with_first_page(page),
        page=page,
    )


def _readable_tags(page: TiffPage) -> dict[str, int]:
    """Return the tags to change so that Pillow decodes the page's samples as they are."""
    photometric = page.number(tiff.PHOTOMETRIC)
    samples = page.number(tiff.SAMPLES, 1)
    if photometric in (_CIELAB, _ICCLAB) and samples == 3 and page.number(tiff.COMPRESSION) != _JPEG:
        return {f"t{tiff.PHOTOMETRIC}": _RGB}
    if photometric == _WHITE_IS_ZERO and page.number(tiff.BITS) in (12, 16) and samples == 1:
        return {f"t{tiff.PHOTOMETRIC}": _BLACK_IS_ZERO}  # inverted after decoding
    if photometric == _CMYK and samples == 5 and page.number(tiff.EXTRA_SAMPLES):
        log.warning("The transparency of the CMYK picture is ignored.")
        return {f"t{tiff.EXTRA_SAMPLES}": 0}
    return {}


def _inverted_floats(image: Image.Image) -> Image.Image:
    """Return floats of which the least was white, in the range of 0 to 1 if they were in it."""
    low, high = (float(value) for value in image.getextrema())  # type: ignore[arg-type]
    white = 1.0 if low >= 0 and high <= 1 else 0.0
    return image.point(lambda value: value * -1 + white)


def _of_16_bits(image: Image.Image, bits: int) -> Image.Image:
    """Return levels of fewer bits than 16, such as a scanner's 12, stretched to the range of 16."""
    gain = 65535 / (2**bits - 1)
    return image.convert("I").point(lambda level: level * gain).convert("I;16")


def _of_whole_range(image: Image.Image) -> Image.Image:
    """Return 8 bits of unsigned 32-bit levels if they use the highest bit, which Pillow takes for a sign."""
    from PIL import Image

    low, _ = image.getextrema()
    if int(low) >= 0:  # type: ignore[arg-type]
        return image
    channels = Image.frombytes("RGBA", image.size, image.tobytes())
    return channels.getchannel("R" if sys.byteorder == "big" else "A")


def _lab(image: Image.Image, *, is_signed: bool) -> Image.Image:
    """Return LAB of samples that were decoded as if they were RGB.

    :param is_signed: whether gray is 0 in the color channels, as in CIELAB, or 128, as in ICC LAB.
    """
    from PIL import Image

    if image.mode == "LAB":
        return image
    light, a, b = image.split()[:3]
    if is_signed:
        a, b = a.point(_XOR_128), b.point(_XOR_128)
    return Image.merge("LAB", (light, a, b))


def _calibrated(page: TiffPage, mode: str) -> bytes | None:
    """Return the profile that the tags for primaries, white point and transfer function describe."""
    colors, white = page.tags.get(tiff.PRIMARY_COLORS, ()), page.tags.get(tiff.WHITE_POINT, ())
    curve = page.tags.get(tiff.TRANSFER_FUNCTION, ())
    if mode not in ("RGB", "RGBA", "RGBX", "RGBa") or page.number(tiff.PHOTOMETRIC) != _RGB:
        return None
    primaries = SRGB
    if len(colors) == 6:
        points = [(colors[number], colors[number + 1]) for number in (0, 2, 4)]
        primaries = Primaries(*points, *([(white[0], white[1])] if len(white) == 2 else []))
    if not primaries.is_possible():
        log.warning("The TIFF file's primary colors are impossible; the colors are taken as sRGB.")
        return None
    tables = _tables(curve)
    if tables:
        return rgb_profile_of_curves(primaries, tables, name="TIFF tags")
    return None if primaries.is_near(SRGB) else rgb_profile(primaries, srgb_curve, name="TIFF tags")


def _tables(curve: tuple[float, ...]) -> list[list[float]] | None:
    """Return a table for each channel of the transfer function: one for all, or three."""
    if len(curve) == 256:
        return [[value / 65535 for value in curve]] * 3
    if len(curve) == 768:
        return [[value / 65535 for value in curve[at : at + 256]] for at in (0, 256, 512)]
    return None


def _describe(page: TiffPage) -> str:
    bits = page.number(tiff.BITS, 1)
    sample = _SAMPLE_NAMES.get(page.number(tiff.SAMPLE_FORMAT), "integer")
    photometric = page.number(tiff.PHOTOMETRIC)
    color = _PHOTOMETRIC_NAMES.get(photometric, f"photometric {photometric}")
    return f"a TIFF picture of {bits}-bit {sample} samples ({color}, {page.number(tiff.SAMPLES, 1)} channels)"
