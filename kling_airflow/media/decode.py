"""Decodes a picture, turns it upright, and converts its colors to sRGB, which the queue expects."""

from __future__ import annotations

import io
import logging
import math
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame, in_short
from kling_airflow.media.frame_check import check_pixels, open_image

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)

# Formats of pixels only: Pillow hands EPS files to Ghostscript, which runs programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
_ORIENTATION = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_GRAY_DEPTHS = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
# A JPEG is decoded with at least twice the pixels needed, because the resampling after it looks better.
_DRAFT_GAP = 2.0


def open_picture(data: bytes, *, max_pixels: int) -> Image.Image:
    """Read a picture's header without decoding it.

    :param data: the whole file.
    :param max_pixels: pictures with more pixels are refused.
    :raises InvalidFrame: not a picture in a format that is read here, or too many pixels.
    """
    try:
        picture = open_image(data, _known_formats())
    except Exception as error:
        raise InvalidFrame(
            f"The source is not a picture that can be read ({len(data):,} bytes, {in_short(error)})",
            todo=f"Use a picture of one of these formats: {', '.join(_FORMATS)}.",
        ) from error
    check_pixels(*picture.size, max_pixels)
    return picture


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Return width and height with the EXIF orientation applied, without decoding."""
    width, height = picture.size
    # A TIFF's size is given upright by Pillow already.
    if picture.format != "TIFF" and _orientation(picture) in _SIDEWAYS:
        return height, width
    return width, height


def load_upright(picture: Image.Image, *, scale: float = 1.0) -> Image.Image:
    """Decode the first image of a file, turn it upright, and bring it to 8 bits a channel.

    :param picture: what ``open_picture`` returned.
    :param scale: the share of the picture's width that is needed, 0 to 1. A JPEG is decoded at a reduced
        size, which is several times faster. The result may be larger than that, never smaller.
    :return: an image of mode L, LA, RGB, RGBA, CMYK or LAB that still carries its color profile.
    :raises InvalidFrame: the file is damaged.
    """
    if picture.format in ("JPEG", "MPO"):
        needed = [max(1, math.ceil(side * min(1.0, scale * _DRAFT_GAP))) for side in picture.size]
        picture.draft(None, (needed[0], needed[1]))
    try:
        picture.load()
    except MemoryError:
        raise
    except Exception as error:
        raise InvalidFrame(f"The source can't be decoded: {in_short(error)}.") from error
    return _eight_bits(_turned(picture))


def to_srgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Return the image in sRGB: the color profile applied, transparent parts over ``background``.

    :param image: as ``load_upright`` gives it, of any size.
    :param background: red, green, blue, 0 to 255.
    """
    from PIL import Image

    alpha = image.getchannel("A") if "A" in image.getbands() and image.mode != "LAB" else None
    opaque = image.convert({"LA": "L", "RGBA": "RGB"}[image.mode]) if alpha else image
    colors = _through_profile(opaque, image.info.get("icc_profile"))
    if alpha is None:
        return colors
    canvas = Image.new("RGB", colors.size, background)
    canvas.paste(colors, mask=alpha)
    return canvas


def _known_formats() -> tuple[str, ...]:
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)  # AVIF came with Pillow 11.3


def _orientation(picture: Image.Image) -> int:
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:
        log.warning("The EXIF block can't be read; the picture is taken as upright.")
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turned(picture: Image.Image) -> Image.Image:
    from PIL import Image

    method = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(_orientation(picture))
    return picture if method is None else picture.transpose(method)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert any of Pillow's modes to one that resamples well and that ``to_srgb`` reads."""
    if image.mode in _GRAY_DEPTHS:
        return _scaled_gray(image)
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if has_alpha:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


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


def _through_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    from PIL import ImageCms

    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _transformed(image, ImageCms.ImageCmsProfile(lab))
    if profile:
        try:
            return _transformed(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            log.warning(
                "The color profile can't be used (%s); the colors are taken as sRGB.", in_short(error)
            )
    return image.convert("RGB")


def _transformed(image: Image.Image, source: object) -> Image.Image:
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(
        image,
        source,  # type: ignore[arg-type]
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if converted is None:
        raise ImageCms.PyCMSError("Little CMS made no conversion")
    return converted
