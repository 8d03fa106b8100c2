"""A picture made a frame: upright, sRGB, of the shape asked for, within the queue's limits.

The same picture and options give the same bytes (for one version of Pillow and of PyAV), so a retry has the
same hash. Metadata is left out on purpose: an uploaded frame can be read by anyone who has its URL, and a
photograph may hold the place where it was taken.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument, InvalidFrame
from kling_airflow.media.color import to_srgb
from kling_airflow.media.decode import open_picture
from kling_airflow.media.frame_check import FrameInfo, measured
from kling_airflow.media.geometry import SHORT_SIDE, Layout, check_options, plan_layout
from kling_airflow.media.jpeg_quality import check_quality, encode_jpeg
from kling_airflow.media.limits import MAX_FRAME_BYTES, MAX_PIXELS
from kling_airflow.media.resampling import resampled

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("jpeg", "png")
"""The formats that the queue takes."""

_BLUR = "blur"


@dataclass(frozen=True, kw_only=True)
class FrameOptions:
    """How a frame is made. A wrong word or number raises ``InvalidArgument`` at once.

    :param aspect_ratio: "16:9", "9:16", "1:1", or "source".
    :param fit: "cover", "contain" or "stretch".
    :param gravity: what "cover" keeps: "center", "top", "bottom-left", ...
    :param background: a color ("#rrggbb" or a CSS name) for padding and behind transparent parts, or
        "blur": padding made of the blurred picture (black behind transparent parts).
    :param short_side: upper limit of the shorter side, pixels: 720 makes 1280x720 of 16:9.
    :param format: "jpeg" or "png".
    :param quality: of JPEG, 40 to 100; lowered step by step if the file would exceed ``max_frame_bytes``.
    :param max_pixels: largest number of pixels that decoding may hold in memory, about four bytes each. Of
        a JPEG, it can be fewer than the picture has: it is decoded at a reduced size.
    :param max_frame_bytes: upper limit of the frame's file size.
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
            raise InvalidArgument(f"`format` is {self.format!r}; it must be one of {', '.join(FORMATS)}.")
        check_quality(self.quality)
        if not 0 < self.max_frame_bytes <= MAX_FRAME_BYTES:
            raise InvalidArgument(
                f"`max_frame_bytes` is {self.max_frame_bytes}; it must be from 1 to {MAX_FRAME_BYTES:,}, "
                "the queue's limit."
            )
        if self.max_pixels < 1:
            raise InvalidArgument(f"`max_pixels` is {self.max_pixels}; it must be at least 1.")
        object.__setattr__(self, "color", _color(self.background))


@dataclass(frozen=True)
class Frame:
    """A frame's file and what it measures."""

    data: bytes
    info: FrameInfo


def prepare_frame(data: bytes, options: FrameOptions | None = None) -> Frame:
    """Make a frame of a picture.

    :param data: a file in one of the formats that ``decode.READ`` names; of an animation, the first image is
        taken.
    :param options: how; by default 1280x720, cropped to the center, JPEG.
    :raises InvalidFrame: not a picture, damaged, wholly transparent, too many pixels, or too small to be a
        frame.
    """
    options = options or FrameOptions()
    with open_picture(data, max_pixels=options.max_pixels) as picture, picture.deferred_checks():
        width, height = picture.size
        layout = plan_layout(
            width,
            height,
            aspect_ratio=options.aspect_ratio,
            fit=options.fit,
            gravity=options.gravity,
            short_side=options.short_side,
        )
        upright = picture.load(scale=layout.scale)
        image = _rendered(upright, layout, (width, height), options)
    encoded = _encoded(image, options)
    return Frame(encoded, measured(encoded, options.format, *image.size))


def _rendered(
    upright: Image.Image, layout: Layout, full_size: tuple[int, int], options: FrameOptions
) -> Image.Image:
    # A JPEG may have been decoded smaller than the size that the layout's coordinates are for.
    scale_x, scale_y = upright.width / full_size[0], upright.height / full_size[1]
    left, top, right, bottom = layout.crop
    box = (
        left * scale_x,
        top * scale_y,
        min(right * scale_x, upright.width),
        min(bottom * scale_y, upright.height),
    )
    is_reduced = upright.width < full_size[0]
    image = to_srgb(resampled(upright, layout.image, box, whole_pixels=is_reduced), options.color)
    if not layout.is_padded:
        return image
    canvas = _background(image, layout.canvas, options)
    canvas.paste(image, layout.offset)
    return canvas


def _background(image: Image.Image, size: tuple[int, int], options: FrameOptions) -> Image.Image:
    from PIL import Image, ImageFilter, ImageOps

    if options.background != _BLUR:
        return Image.new("RGB", size, options.color)
    # Blurred at an eighth of the size and enlarged: the same look as a wide blur, at a tenth of the work.
    small = ImageOps.fit(image, (max(1, size[0] // 8), max(1, size[1] // 8)), Image.Resampling.BILINEAR)
    blurred = small.filter(ImageFilter.GaussianBlur(max(size) / 8 / 24))
    return blurred.resize(size, Image.Resampling.BICUBIC)


def _encoded(image: Image.Image, options: FrameOptions) -> bytes:
    image.info = {}  # Pillow would write the comments and profiles that stand here
    if options.format == "jpeg":
        return encode_jpeg(image, quality=options.quality, max_bytes=options.max_frame_bytes)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    data = buffer.getvalue()
    if len(data) > options.max_frame_bytes:
        raise InvalidFrame(
            f"The frame has {len(data):,} bytes as PNG; the limit is {options.max_frame_bytes:,}.",
            todo='Use `format="jpeg"` or a smaller `short_side`.',
        )
    return data


def _color(background: str) -> tuple[int, int, int]:
    if background == _BLUR:
        return (0, 0, 0)
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(background)[:3]
    except (ValueError, AttributeError) as error:
        raise InvalidArgument(
            f"`background` is {background!r}; it must be 'blur' or a color such as '#1a2b3c' or 'white'."
        ) from error
    return (red, green, blue)
