"""Checks that a file is a frame that the queue takes, and measures it."""

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
    """Return what a frame measures; refuse a frame that breaks one of the queue's documented limits.

    The frame is decoded once, so that a damaged file is found before a clip is paid for.

    :param data: a whole JPEG or PNG file.
    :raises InvalidFrame: not a readable JPEG or PNG, over 10 MB, a side under 300 px, or a shape
        outside 1:2.5 to 2.5:1.
    """
    if len(data) > MAX_FRAME_BYTES:
        raise InvalidFrame(
            f"The frame has {len(data):,} bytes; the limit is {MAX_FRAME_BYTES:,}.",
            todo="Let `PrepareFrameOperator` make a smaller file of it.",
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
            "the queue takes nothing else.",
            todo="Let `PrepareFrameOperator` make a frame of it: it reads other formats.",
        ) from error
    return FrameInfo(kind, width, height, len(data), hashlib.sha256(data).hexdigest())


def check_pixels(width: int, height: int, limit: int) -> None:
    """Refuse a picture before it is decoded if decoding it could fill the memory.

    :raises InvalidFrame: more than ``limit`` pixels.
    """
    if width * height > limit:
        raise InvalidFrame(
            f"The picture is {width} x {height} px, {width * height:,} pixels; the limit is {limit:,} "
            "(`max_pixels`). Decoding it could fill the worker's memory.",
            todo="Use a smaller picture, or raise `max_pixels` if the worker has the memory.",
        )


def open_image(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """Read the header of an image in one of these formats; Pillow's errors are passed on."""
    from PIL import Image

    with warnings.catch_warnings():
        # Pillow warns of large pictures; `check_pixels` refuses them by our own limit.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(io.BytesIO(data), formats=formats)


def _check_size(width: int, height: int) -> None:
    short, long = sorted((width, height))
    if short < MIN_SIDE:
        raise InvalidFrame(
            f"The frame is {width} x {height} px; both sides must have at least {MIN_SIDE} px.",
            todo="Use a larger picture.",
        )
    if long > short * MAX_SHAPE:
        raise InvalidFrame(
            f"The frame is {width} x {height} px, a shape of {width / height:.3g}:1; the limits are 1:2.5 "
            "and 2.5:1.",
            todo="Let `PrepareFrameOperator` crop or pad it.",
        )
    check_pixels(width, height, MAX_PIXELS)
