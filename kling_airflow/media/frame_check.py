"""Whether bytes are a frame that the queue takes, and what they measure."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame, in_short
from kling_airflow.media.geometry import MAX_SHAPE, MIN_SIDE
from kling_airflow.media.limits import MAX_FRAME_BYTES, MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["MAX_FRAME_BYTES", "MAX_PIXELS", "FrameInfo", "check_frame", "check_pixels", "open_image"]

_FORMATS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png"}  # MPO: what many phones call .jpg


@dataclass(frozen=True)
class FrameInfo:
    """What a frame measures.

    :param format: "jpeg" or "png".
    :param width: pixels, as stored.
    :param height: pixels, as stored.
    :param bytes: size of the file.
    :param sha256: of the file, in hex.
    """

    format: str
    width: int
    height: int
    bytes: int
    sha256: str


def check_frame(data: bytes) -> FrameInfo:
    """Return what a frame measures, or say which of the queue's limits it breaks.

    Decodes it once, so that a file cut short is found before a clip is paid for.

    :param data: a whole JPEG or PNG file.
    :raises InvalidFrame: not a readable JPEG or PNG, over 10 MB, a side under 300 px, or a shape
        outside 1:2.5 to 2.5:1 (all doc).
    """
    if len(data) > MAX_FRAME_BYTES:
        raise InvalidFrame(
            f"The frame has {len(data):,} bytes; the limit is {MAX_FRAME_BYTES:,}. "
            "PrepareFrameOperator makes it fit."
        )
    try:
        with open_image(data, ("JPEG", "PNG")) as image:
            width, height = image.size
            kind = _FORMATS[image.format or ""]
            _check_size(width, height)
            image.load()
    except InvalidFrame:
        raise
    except Exception as error:
        raise InvalidFrame(
            f"The frame is not a readable .jpg or .png ({len(data):,} bytes, {in_short(error)}); "
            "the queue takes nothing else. PrepareFrameOperator converts other formats."
        ) from error
    return FrameInfo(kind, width, height, len(data), hashlib.sha256(data).hexdigest())


def check_pixels(width: int, height: int, limit: int) -> None:
    """Refuse a picture before it is decoded where decoding would fill the memory.

    :raises InvalidFrame: more than ``limit`` pixels.
    """
    if width * height > limit:
        raise InvalidFrame(
            f"The picture is {width} x {height} px, {width * height:,} pixels; the limit is {limit:,} "
            "(max_pixels). Decoding it could fill the worker's memory."
        )


def open_image(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """Read an image's header, in one of these formats only; raises whatever Pillow raises."""
    from PIL import Image

    with warnings.catch_warnings():
        # Pillow warns of bombs where we refuse them; our limit is the one that counts.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(data), formats=formats)


def _check_size(width: int, height: int) -> None:
    short, long = sorted((width, height))
    if short < MIN_SIDE:
        raise InvalidFrame(
            f"The frame is {width} x {height} px; both sides must have at least {MIN_SIDE} px. "
            "Use a larger picture."
        )
    if long > short * MAX_SHAPE:
        raise InvalidFrame(
            f"The frame is {width} x {height} px, a shape of {width / height:.3g}:1; the limits are 1:2.5 "
            "and 2.5:1. PrepareFrameOperator crops or pads it."
        )
    check_pixels(width, height, MAX_PIXELS)
