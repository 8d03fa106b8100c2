"""An image made fit to be a frame: upright, sRGB, of the right shape, within the queue's limits.

The same input and options give the same bytes (for one version of Pillow), so a retry has the same hash.
Metadata is left behind on purpose: an uploaded frame can be read by anyone, and a photograph may know
where it was taken.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument, InvalidFrame
from kling_airflow.media.decode import load_upright, open_picture, to_srgb, upright_size
from kling_airflow.media.frame_check import FrameInfo, check_frame
from kling_airflow.media.geometry import SHORT_SIDE, Plan, check_options, plan
from kling_airflow.media.image_comment import with_comment
from kling_airflow.media.limits import MAX_FRAME_BYTES, MAX_PIXELS

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "MAX_FRAME_BYTES",
    "MAX_PIXELS",
    "Frame",
    "FrameInfo",
    "FrameOptions",
    "check_frame",
    "prepare_frame",
    "with_comment",
]

log = logging.getLogger(__name__)

FORMATS = ("jpeg", "png")
LOWEST_QUALITY = 40
"""Below this, JPEG's blocks would be animated with the picture; a smaller frame looks better."""

_QUALITY_STEP = 6
_RESIZE_GAP = 3.0  # Pillow: from 3.0 on the result can't be told from full resampling
_BLUR = "blur"


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """How a frame is to be made. A wrong word or number raises ``InvalidArgument`` at once.

    :param aspect_ratio: "16:9", "9:16", "1:1", or "source".
    :param fit: "cover", "contain" or "stretch".
    :param gravity: what "cover" keeps: "center", "top", "bottom-left", ...
    :param background: a color ("#rrggbb" or a CSS name) for padding and behind transparent parts, or
        "blur": padding made of the blurred picture (black behind transparent parts).
    :param short_side: upper limit of the shorter side, pixels: 720 makes 1280x720 of 16:9.
    :param format: "jpeg" or "png".
    :param quality: of JPEG, 40 to 100; lowered step by step where the file would exceed the limit.
    :param max_pixels: larger pictures are refused before they are decoded.
    :param max_frame_bytes: upper limit of the result.
    """

    aspect_ratio: str = "16:9"
    fit: str = "cover"
    gravity: str = "center"
    background: str = "#000000"
    short_side: int = SHORT_SIDE
    format: str = "jpeg"
    quality: int = 92
    max_pixels: int = MAX_PIXELS
    max_frame_bytes: int = MAX_FRAME_BYTES
    color: tuple[int, int, int] = field(init=False, default=(0, 0, 0))

    def __post_init__(self) -> None:
        check_options(self.aspect_ratio, self.fit, self.gravity, self.short_side)
        if self.format not in FORMATS:
            raise InvalidArgument(f"format is {self.format!r}; it must be one of {', '.join(FORMATS)}.")
        if not LOWEST_QUALITY <= self.quality <= 100:
            raise InvalidArgument(f"quality is {self.quality}; it must be from {LOWEST_QUALITY} to 100.")
        if not 0 < self.max_frame_bytes <= MAX_FRAME_BYTES:
            raise InvalidArgument(
                f"max_frame_bytes is {self.max_frame_bytes}; it must be from 1 to {MAX_FRAME_BYTES:,}, "
                "the queue's limit."
            )
        if self.max_pixels < 1:
            raise InvalidArgument(f"max_pixels is {self.max_pixels}; it must be at least 1.")
        object.__setattr__(self, "color", _color(self.background))


@dataclass(frozen=True)
class Frame:
    """A frame and what it measures."""

    data: bytes
    info: FrameInfo


def prepare_frame(data: bytes, options: FrameOptions | None = None) -> Frame:
    """Make a frame of a picture.

    :param data: a JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, JPEG 2000 or PPM file; of an animation the first
        image is taken.
    :param options: how; by default 1280x720, cropped to the center, JPEG.
    :raises InvalidFrame: not a picture, broken, too many pixels, or too small to be a frame.
    """
    options = options or FrameOptions()
    with open_picture(data, max_pixels=options.max_pixels) as picture:
        width, height = upright_size(picture)
        layout = plan(
            width,
            height,
            aspect_ratio=options.aspect_ratio,
            fit=options.fit,
            gravity=options.gravity,
            short_side=options.short_side,
        )
        image = load_upright(picture, scale=layout.scale)
        made = _render(image, layout, (width, height), options)
    encoded = _encode(made, options)
    return Frame(encoded, check_frame(encoded))


def _render(
    image: Image.Image, layout: Plan, full_size: tuple[int, int], options: FrameOptions
) -> Image.Image:
    from PIL import Image

    # A JPEG may have been decoded smaller than the plan's coordinates are meant for.
    across, down = image.width / full_size[0], image.height / full_size[1]
    left, top, right, bottom = layout.crop
    box = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
    resized = image.resize(layout.image, Image.Resampling.LANCZOS, box=box, reducing_gap=_RESIZE_GAP)
    made = to_srgb(resized, options.color)
    if not layout.is_padded:
        return made
    canvas = _backdrop(made, layout.canvas, options)
    canvas.paste(made, layout.offset)
    return canvas


def _backdrop(image: Image.Image, size: tuple[int, int], options: FrameOptions) -> Image.Image:
    from PIL import Image, ImageFilter, ImageOps

    if options.background != _BLUR:
        return Image.new("RGB", size, options.color)
    # Blurred small and enlarged: the same look as a wide blur, at a tenth of the work.
    small = ImageOps.fit(image, (max(1, size[0] // 8), max(1, size[1] // 8)), Image.Resampling.BILINEAR)
    blurred = small.filter(ImageFilter.GaussianBlur(max(size) / 8 / 24))
    return blurred.resize(size, Image.Resampling.BICUBIC)


def _encode(image: Image.Image, options: FrameOptions) -> bytes:
    if options.format == "png":
        data = _saved(image, "PNG")
        if len(data) > options.max_frame_bytes:
            raise InvalidFrame(
                f"The frame has {len(data):,} bytes as PNG; the limit is {options.max_frame_bytes:,}. "
                'Use format="jpeg" or a smaller short_side.'
            )
        return data
    quality = options.quality
    while True:
        data = _saved(image, "JPEG", quality=quality, subsampling="4:2:0" if quality < 90 else "4:4:4")
        if len(data) <= options.max_frame_bytes:
            if quality != options.quality:
                log.info("JPEG quality lowered from %d to %d to fit the limit.", options.quality, quality)
            return data
        if quality == LOWEST_QUALITY:
            raise InvalidFrame(
                f"The frame has {len(data):,} bytes even at JPEG quality {quality}; the limit is "
                f"{options.max_frame_bytes:,}. Use a smaller short_side."
            )
        quality = max(LOWEST_QUALITY, quality - _QUALITY_STEP)


def _saved(image: Image.Image, kind: str, **settings: object) -> bytes:
    # A copy without `info`: Pillow would write comments and profiles it finds there.
    image.info = {}
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def _color(background: str) -> tuple[int, int, int]:
    if background == _BLUR:
        return (0, 0, 0)
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(background)[:3]
    except (ValueError, AttributeError) as error:
        raise InvalidArgument(
            f"background is {background!r}; it must be 'blur' or a color such as '#1a2b3c' or 'white'."
        ) from error
    return (red, green, blue)
