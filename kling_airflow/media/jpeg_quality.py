"""Encodes a JPEG, at a lower quality where the file would exceed a limit of bytes."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument, InvalidFrame
from kling_airflow.yaml_habits import range_hint

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)

LOWEST_QUALITY = 40
"""Below this, the queue would animate JPEG's blocks with the picture; a smaller frame looks better."""

_QUALITY_STEP = 6
_FULL_COLOR_QUALITY = 90  # from here on colors are stored for every pixel, below for every second one


def check_quality(quality: int) -> None:
    """Refuse a quality that no frame is encoded with.

    :raises InvalidArgument: naming the least and the most.
    """
    if not LOWEST_QUALITY <= quality <= 100:
        hint = range_hint(quality, LOWEST_QUALITY, 100)
        raise InvalidArgument(f"`quality` is {quality}; it must be from {LOWEST_QUALITY} to 100.{hint}")


def encode_jpeg(image: Image.Image, *, quality: int, max_bytes: int) -> bytes:
    """Return the image as a JPEG of at most ``max_bytes``, of the highest quality that fits.

    :param image: of mode RGB, without metadata in its ``info``.
    :param quality: the quality to begin with; lowered in steps of 6 down to ``LOWEST_QUALITY``.
    :raises InvalidFrame: if the file exceeds the limit even at ``LOWEST_QUALITY``.
    """
    asked = quality
    while True:
        data = _encoded(image, quality)
        if len(data) <= max_bytes:
            if quality != asked:
                log.info("JPEG quality lowered from %d to %d to fit the limit.", asked, quality)
            return data
        if quality == LOWEST_QUALITY:
            raise InvalidFrame(
                f"The frame has {len(data):,} bytes even at JPEG quality {quality}; the limit is "
                f"{max_bytes:,}.",
                todo="Use a smaller `short_side`.",
            )
        quality = max(LOWEST_QUALITY, quality - _QUALITY_STEP)


def _encoded(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    subsampling = "4:4:4" if quality >= _FULL_COLOR_QUALITY else "4:2:0"
    image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()
