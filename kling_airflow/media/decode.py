"""Any picture made an upright RGB one, in the sRGB colors that screens and the queue expect."""

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

# Only formats that are plain pixels: Pillow would hand an EPS to Ghostscript.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
_GRAY_DEPTHS = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
# Draft decoding keeps twice the pixels that are needed; the fine resampling does the rest.
_DRAFT_GAP = 2.0


def open_picture(data: bytes, *, max_pixels: int) -> Image.Image:
    """Read a picture's header; nothing is decoded yet.

    :param data: the whole file.
    :param max_pixels: more are refused.
    :raises InvalidFrame: not a picture in a format that is read here, or too many pixels.
    """
    try:
        picture = open_image(data, _known_formats())
    except Exception as error:
        raise InvalidFrame(
            f"The source is not a picture that can be read ({len(data):,} bytes, {in_short(error)}). "
            f"Formats: {', '.join(_FORMATS)}."
        ) from error
    check_pixels(*picture.size, max_pixels)
    return picture


def upright_size(picture: Image.Image) -> tuple[int, int]:
    """Return width and height as a viewer sees them, EXIF orientation applied; decodes nothing."""
    width, height = picture.size
    # A TIFF's size is given upright by Pillow already.
    if picture.format != "TIFF" and _orientation(picture) in _TURNED:
        return height, width
    return width, height


def load_upright(picture: Image.Image, *, scale: float = 1.0) -> Image.Image:
    """Decode the first image of a file, turn it upright, and bring it to 8 bits a channel.

    :param picture: what ``open_picture`` returned.
    :param scale: how much of its size will be needed; a JPEG is then decoded smaller, which is several
        times faster. The result may be larger than that, never smaller.
    :return: an image of mode L, LA, RGB, RGBA, CMYK or LAB that still carries its color profile.
    :raises InvalidFrame: the file is broken.
    """
    if picture.format in ("JPEG", "MPO"):
        wanted = [max(1, math.ceil(side * min(1.0, scale * _DRAFT_GAP))) for side in picture.size]
        picture.draft(None, (wanted[0], wanted[1]))
    try:
        picture.load()
    except MemoryError:
        raise
    except Exception as error:
        raise InvalidFrame(f"The source can't be decoded: {in_short(error)}.") from error
    return _eight_bits(_turned(picture))


def to_srgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Return an RGB image: color profile applied, transparent parts over ``background``.

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
        log.warning("The EXIF block is unreadable; the picture is taken as upright.")
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
    """Bring any of Pillow's modes to one that resamples well and that ``to_srgb`` knows."""
    if image.mode in _GRAY_DEPTHS:
        return _scaled_gray(image)
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    if has_alpha:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _scaled_gray(image: Image.Image) -> Image.Image:
    """Map deep grays onto 0 to 255 by the range their kind has, rather than clipping them.

    16-bit values have a known range. Of 32-bit integers and floats only the usual ones are known
    (16-bit values; 0 to 1); any other picture is stretched from its own darkest to its brightest.
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

    made = ImageCms.profileToProfile(
        image,
        source,  # type: ignore[arg-type]
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if made is None:
        raise ImageCms.PyCMSError("no transformation was made")
    return made
