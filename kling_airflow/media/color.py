"""Converts a decoded picture to sRGB as people see it, and lays it over the background."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

from kling_airflow.redaction import in_short

if TYPE_CHECKING:
    from PIL import Image, ImageCms

log = logging.getLogger(__name__)

_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK", "LAB": "LAB"}
_SPACE_NAMES = {"GRAY": "gray", "L": "gray"}


def to_srgb(image: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Return the image in sRGB: the color profile applied, transparent parts over ``background``.

    :param image: of mode L, LA, RGB, RGBA, CMYK or LAB, with its profile in ``info["icc_profile"]``.
    :param background: red, green, blue, 0 to 255.
    """
    from PIL import Image

    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    opaque = image.convert({"LA": "L", "RGBA": "RGB"}[image.mode]) if alpha else image
    colors = _converted(opaque, image.info.get("icc_profile"))
    if alpha is None:
        return colors
    canvas = Image.new("RGB", colors.size, background)
    canvas.paste(colors, mask=alpha)
    return canvas


def _converted(image: Image.Image, data: bytes | None) -> Image.Image:
    from PIL import ImageCms

    if image.mode == "LAB":
        return _transformed(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")))
    if data:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
            return _transformed(_in_space_of(profile, image), profile)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            log.warning(
                "The color profile can't be used (%s); the colors are taken as sRGB.", in_short(error)
            )
    return image.convert("RGB")


def _in_space_of(profile: ImageCms.ImageCmsProfile, image: Image.Image) -> Image.Image:
    """Return the image in the color space that the profile is for, if its pixels allow that.

    :raises ValueError: if the profile is for another color space.
    """
    space = profile.profile.xcolor_space.strip()
    mode = _MODES.get(space)
    if mode == image.mode:
        return image
    if mode == "RGB" and image.mode == "L":
        return image.convert("RGB")  # a gray is red, green and blue in equal parts
    if mode == "L" and image.mode == "RGB" and _is_gray(image):
        return image.getchannel("R")
    wanted, given = _SPACE_NAMES.get(space, space), _SPACE_NAMES.get(image.mode, image.mode)
    raise ValueError(f"it is for {wanted} pixels, these are {given}")


def _is_gray(image: Image.Image) -> bool:
    from PIL import ImageChops

    red, green, blue = image.split()
    return not (ImageChops.difference(red, green).getbbox() or ImageChops.difference(red, blue).getbbox())


def _transformed(image: Image.Image, source: ImageCms.ImageCmsProfile) -> Image.Image:
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(
        image,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if converted is None:
        raise ImageCms.PyCMSError("Little CMS made no conversion")
    return converted
