"""Brings a picture to a frame's size: Lanczos, the upper and the lower half at the same time.

FFmpeg computes the same filter several times faster than Pillow, but of whole pixels only, and its planes are
copies. It is used for JPEG files that were decoded at a reduced size: there are few pixels then, and half a
pixel of theirs is less than a quarter of the frame's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from PIL import Image

_REDUCING_GAP = 3.0  # Pillow: from 3.0 on the result can't be told from full resampling
_STRIP = 64  # rows
_THREADS = 2
_WORTH_SPLITTING = 1_000_000  # pixels: below, starting a thread costs more than it saves

Box = tuple[float, float, float, float]


def resampled(
    image: Image.Image, size: tuple[int, int], box: Box, *, whole_pixels: bool = False
) -> Image.Image:
    """Return a part of an image in another size.

    :param size: width and height of the result, in pixels.
    :param box: left, top, right, bottom of the part, in pixels of ``image``.
    :param whole_pixels: whether the edges of ``box`` may be moved to whole pixels.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if whole_pixels and image.mode == "RGB" and width * height >= _WORTH_SPLITTING:
        scaled = _scaled_by_ffmpeg(image, size, (round(left), round(top), round(right), round(bottom)))
        if scaled is not None:
            return scaled
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


def _scaled_by_ffmpeg(
    image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int]
) -> Image.Image | None:
    """Return a part of an RGB image in another size; None if it would differ between machines."""
    from av.video.reformatter import Interpolation
    from PIL import Image

    if not hasattr(Interpolation, "BITEXACT"):
        return None  # an older PyAV, whose results differ between kinds of processors
    method = Interpolation.LANCZOS | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    scaled = _planes(image, box).reformat(*size, interpolation=method, threads=_THREADS)
    bands = [
        Image.frombytes("L", size, bytes(plane), "raw", "L", plane.line_size, 1) for plane in scaled.planes
    ]
    whole = Image.merge("RGB", bands)
    whole.info = dict(image.info)
    return whole


def _planes(image: Image.Image, box: tuple[int, int, int, int]) -> VideoFrame:
    """Return a part of an RGB image as three planes; named Y, U and V, so that FFmpeg converts nothing."""
    from av.video.frame import VideoFrame

    left, top, right, bottom = box
    frame = VideoFrame(right - left, bottom - top, "yuv444p")
    stride = frame.planes[0].line_size
    views = [memoryview(plane) for plane in frame.planes]
    # In strips: new memory costs more than the copying, and a strip's memory is used again.
    for begin in range(0, bottom - top, _STRIP):
        end = min(begin + _STRIP, bottom - top)
        strip = image.crop((left, top + begin, right, top + end))
        for view, band in zip(views, image.getbands(), strict=True):
            view[begin * stride : end * stride] = strip.tobytes("raw", band, stride)
    return frame
