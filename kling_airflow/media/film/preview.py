"""A moving picture for a chat or a page: the film at a glance, as GIF or as WebP."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.film.frames import stills
from kling_airflow.media.limits import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("gif", "webp")
_WIDTH = 320
_PICTURES = 40
_PER_SECOND = 8
_COLORS = 128


def preview(path: Path, seconds: float, format: str, *, max_pixels: int = MAX_CLIP_PIXELS) -> bytes:  # noqa: A002
    """Return an endless moving picture, 320 pixels wide, of 40 pictures at most: it is 5 s long or less.

    :param path: of an MP4 file.
    :param seconds: how long the film is; its whole length is gone through.
    :param format: "gif" or "webp".
    :raises InvalidArgument: another format.
    :raises InvalidClip: no picture can be decoded.
    """
    if format not in FORMATS:
        raise InvalidArgument(f"`preview` is {format!r}; it must be `gif` or `webp`.")
    count = max(1, min(_PICTURES, round(seconds * _PER_SECOND)))
    moments = [seconds * (number + 0.5) / count for number in range(count)]
    pictures = [_small(still.image) for still in stills(path, moments, max_pixels=max_pixels)]
    if format == "gif":
        from PIL import Image

        method = Image.Quantize.MEDIANCUT
        pictures = [picture.quantize(_COLORS, method=method) for picture in pictures]
    buffer = io.BytesIO()
    first, *others = pictures
    options = {"quality": 70, "method": 4} if format == "webp" else {"optimize": True}
    first.save(
        buffer,
        format.upper(),
        save_all=True,
        append_images=others,
        duration=round(1000 / _PER_SECOND),
        loop=0,
        **options,
    )
    return buffer.getvalue()


def _small(image: Image.Image) -> Image.Image:
    from PIL import Image as Pillow

    height = max(1, round(image.height * _WIDTH / image.width))
    return image.resize((_WIDTH, height), Pillow.Resampling.BILINEAR, reducing_gap=2)
