"""Decodes input frames and checks them against the service's limits."""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass

MAX_BYTES = 10 * 1024 * 1024
MIN_SIDE = 300
MAX_RATIO = 2.5
MAX_PIXELS = 100_000_000


class Unreachable(Exception):
    """The frame could not be fetched."""


class Unusable(Exception):
    """The frame could be fetched, but it is no image or breaks a limit."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An input image that passed the checks.

    :param data: the file's bytes.
    :param width: pixels, as displayed (EXIF orientation applied).
    :param height: pixels, as displayed.
    """

    data: bytes
    width: int
    height: int


def is_url(source: str) -> bool:
    """Return whether a frame is given as a URL rather than Base64."""
    return source[:8].lower().startswith(("http://", "https://"))


def decode(source: str, *, allow_prefix: bool) -> bytes:
    """Return the bytes of a Base64 frame.

    :param allow_prefix: whether `data:image/png;base64,` may stand before it.
    :raises Unusable: when it isn't Base64.
    """
    if source.startswith("data:"):
        if not allow_prefix:
            raise Unusable("a data: prefix before the Base64")
        source = source.partition(",")[2]
    try:
        return base64.b64decode(source, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unusable(f"neither a URL nor Base64: {error}") from error


def check(data: bytes) -> Frame:
    """Check an image against the limits that the vendor documents for its other Kling models.

    :raises Unusable: naming the limit that the image breaks.
    """
    from PIL import Image

    if len(data) > MAX_BYTES:
        raise Unusable(f"{len(data)} bytes, the limit is {MAX_BYTES}")
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            width, height = image.size
            # A PNG without EXIF in its head would be decoded whole to look for it.
            exif = image.getexif() if image.format == "JPEG" or "exif" in image.info else {}
            turned = exif.get(0x0112, 1) in (5, 6, 7, 8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Unusable(f"not a JPEG or PNG image: {error}") from error
    if min(width, height) < MIN_SIDE:
        raise Unusable(f"{width}x{height}, each side must be at least {MIN_SIDE} pixels")
    if max(width, height) > MAX_RATIO * min(width, height):
        raise Unusable(f"{width}x{height}, the aspect ratio must be between 1:2.5 and 2.5:1")
    if width * height > MAX_PIXELS:
        raise Unusable(f"{width}x{height}, more than {MAX_PIXELS} pixels")
    return Frame(data, height, width) if turned else Frame(data, width, height)
