"""Brings a picture to a frame's size: Lanczos, the upper and the lower half at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_REDUCING_GAP = 3.0  # Pillow: from 3.0 on the result can't be told from full resampling
_WORTH_SPLITTING = 1_000_000  # pixels: below, starting a thread costs more than it saves

Box = tuple[float, float, float, float]


def resampled(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    """Return a part of an image in another size.

    :param size: width and height of the result, in pixels.
    :param box: left, top, right, bottom of the part, in pixels of ``image``.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    # From twice the gap on, Pillow first averages whole pixels, on a grid that begins at the box. Of an image
    # with alpha, it first multiplies all pixels, for each half anew.
    is_reduced = max(width / size[0], height / size[1]) >= 2 * _REDUCING_GAP
    has_alpha = image.mode in ("LA", "RGBA")
    if is_reduced or has_alpha or width * height < _WORTH_SPLITTING or size[1] < 2:
        return _resized(image, size, box)
    rows = size[1] // 2
    middle = top + height * rows / size[1]
    with ThreadPoolExecutor(1, "resampling") as pool:
        # Pillow lets other threads run meanwhile, and looks past the box for the pixels around its edge.
        upper = pool.submit(_resized, image, (size[0], rows), (left, top, right, middle))
        lower = _resized(image, (size[0], size[1] - rows), (left, middle, right, bottom))
        return _stacked(upper.result(), lower)


def _stacked(upper: Image.Image, lower: Image.Image) -> Image.Image:
    from PIL import Image

    whole = Image.new(upper.mode, (upper.width, upper.height + lower.height))
    whole.paste(upper, (0, 0))
    whole.paste(lower, (0, upper.height))
    whole.info = dict(upper.info)
    return whole


def _resized(image: Image.Image, size: tuple[int, int], box: Box) -> Image.Image:
    from PIL import Image

    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=_REDUCING_GAP)
