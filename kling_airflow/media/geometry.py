"""Decides the size of a frame and the part of the picture that it shows. Integers and ratios; no pixels.

Sizes are ``(width, height)`` in pixels. Every frame has even sides, because video codecs need them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kling_airflow.errors import InvalidArgument, InvalidFrame
from kling_airflow.yaml_habits import range_hint, yaml_hint

MIN_SIDE = 300
"""Shortest side the queue takes, in pixels; documented by the vendor."""

MAX_SHAPE = 2.5
"""Largest ratio of the longer to the shorter side that the queue takes; documented by the vendor."""

MAX_ENLARGEMENT = 2.0
"""Largest factor by which a small picture is enlarged to reach ``MIN_SIDE``.

With a larger factor most of the frame's pixels would be invented.
"""

SHORT_SIDE = 720
"""The short side of a 720p frame, which is what Kling v3 renders."""

SHORT_SIDE_RANGE = (432, 2160)
"""With less than the first, a 2.5:1 frame can't keep ``MIN_SIDE``; more than the second gains nothing."""

# The smallest frame of each shape that has the exact ratio and even sides.
_UNITS = {"16:9": (32, 18), "9:16": (18, 32), "1:1": (2, 2)}
ASPECT_RATIOS = (*_UNITS, "source")
FITS = ("cover", "contain", "stretch")
GRAVITIES = {
    "center": (0.5, 0.5),
    "top": (0.5, 0.0),
    "bottom": (0.5, 1.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
    "top-left": (0.0, 0.0),
    "top-right": (1.0, 0.0),
    "bottom-left": (0.0, 1.0),
    "bottom-right": (1.0, 1.0),
}


@dataclass(frozen=True)
class Layout:
    """The part of the picture to cut out, the size to bring it to, and its place on the frame.

    :param canvas: size of the frame.
    :param crop: left, top, right, bottom in pixels of the upright picture; fractions of a pixel are kept.
    :param image: size that the crop is brought to.
    :param offset: where the upper left corner of the resized crop lies on the canvas.
    """

    canvas: tuple[int, int]
    crop: tuple[float, float, float, float]
    image: tuple[int, int]
    offset: tuple[int, int]

    @property
    def scale(self) -> float:
        """Frame pixels for each picture pixel, along the side that keeps more of them."""
        left, top, right, bottom = self.crop
        return max(self.image[0] / (right - left), self.image[1] / (bottom - top))

    @property
    def is_padded(self) -> bool:
        """Whether the picture leaves a part of the frame empty."""
        return self.image != self.canvas


def check_options(aspect_ratio: str, fit: str, gravity: str, short_side: int) -> None:
    """Raise ``InvalidArgument`` for a word or a number that ``plan_layout`` doesn't know."""
    for field, value, known in (
        ("aspect_ratio", aspect_ratio, ASPECT_RATIOS),
        ("fit", fit, FITS),
        ("gravity", gravity, tuple(GRAVITIES)),
    ):
        if value not in known:
            hint = yaml_hint(value, known)
            raise InvalidArgument(f"`{field}` is {value!r}; it must be one of {', '.join(known)}.{hint}")
    low, high = SHORT_SIDE_RANGE
    if not low <= short_side <= high:
        hint = range_hint(short_side, low, high)
        raise InvalidArgument(f"`short_side` is {short_side}; it must be from {low} to {high} pixels.{hint}")


def plan_layout(
    width: int,
    height: int,
    *,
    aspect_ratio: str = "16:9",
    fit: str = "cover",
    gravity: str = "center",
    short_side: int = SHORT_SIDE,
) -> Layout:
    """Decide the frame's size, and which part of the picture goes where.

    The frame is never larger than asked, and never larger than the picture has pixels for. The exception
    is a picture too small for the queue: it is enlarged, at most ``MAX_ENLARGEMENT`` times.

    :param width: of the upright picture, pixels.
    :param height: of the upright picture, pixels.
    :param aspect_ratio: "16:9", "9:16", "1:1", or "source" for the picture's own shape.
    :param fit: "cover" cuts what is too much, "contain" pads, "stretch" distorts.
    :param gravity: which part "cover" keeps.
    :param short_side: upper limit of the frame's shorter side, pixels; 720 makes 1280x720 of 16:9.
    :raises InvalidArgument: for an unknown word or a number out of range.
    :raises InvalidFrame: if the picture is too small.
    """
    check_options(aspect_ratio, fit, gravity, short_side)
    if aspect_ratio == "source":
        if max(width, height) <= MAX_SHAPE * min(width, height):
            fit = "cover"  # the shape is kept; rounding to even sides is no reason for a padded edge
        canvas = _canvas_of_source(width, height, fit, short_side)
    else:
        canvas = _canvas_of_shape(width, height, _UNITS[aspect_ratio], fit, short_side)
    layout = _place(width, height, canvas, fit, gravity)
    if layout.scale > MAX_ENLARGEMENT:
        raise InvalidFrame(
            f"The picture is {width} x {height} px: a frame needs sides of at least {MIN_SIDE} px, so "
            f"`aspect_ratio={aspect_ratio!r}` with `fit={fit!r}` would enlarge it {_shown(layout.scale)} "
            f"times; the limit is {MAX_ENLARGEMENT:g} times.",
            todo="Use a larger picture.",
        )
    return layout


def _shown(scale: float) -> str:
    """Return a factor above the limit as a number that is above the limit when rounded, too."""
    short = f"{scale:.1f}"
    return short if float(short) > MAX_ENLARGEMENT else f"{math.ceil(scale * 100) / 100:.2f}"


def _canvas_of_shape(
    width: int, height: int, unit: tuple[int, int], fit: str, short_side: int
) -> tuple[int, int]:
    """Return the largest multiple of ``unit`` that ``short_side`` and the picture's pixels allow."""
    unit_width, unit_height = unit
    pick = max if fit == "contain" else min
    allowed = min(short_side // min(unit), pick(width // unit_width, height // unit_height))
    factor = max(allowed, math.ceil(MIN_SIDE / min(unit)))
    return unit_width * factor, unit_height * factor


def _canvas_of_source(width: int, height: int, fit: str, short_side: int) -> tuple[int, int]:
    """Return the picture's own shape, brought within the queue's limits and ``short_side``."""
    long, short = float(max(width, height)), float(min(width, height))
    if long > MAX_SHAPE * short:
        if fit == "contain":
            short = long / MAX_SHAPE
        else:
            long = MAX_SHAPE * short
    shrink = min(1.0, short_side / short, short_side * 16 / 9 / long)
    scale = max(shrink, MIN_SIDE / short)
    short_even = max(_even(short * scale), MIN_SIDE)
    long_even = min(_even(long * scale), _even(short_even * MAX_SHAPE))
    long_even = max(long_even, short_even)
    return (long_even, short_even) if width >= height else (short_even, long_even)


def _even(length: float) -> int:
    # The margin keeps 719.9999... from becoming 718.
    return int(length + 1e-6) // 2 * 2


def _place(width: int, height: int, canvas: tuple[int, int], fit: str, gravity: str) -> Layout:
    scale_x, scale_y = canvas[0] / width, canvas[1] / height
    if fit == "stretch":
        return Layout(canvas, (0.0, 0.0, float(width), float(height)), canvas, (0, 0))
    if fit == "contain":
        scale = min(scale_x, scale_y)
        image = (
            min(canvas[0], max(1, round(width * scale))),
            min(canvas[1], max(1, round(height * scale))),
        )
        offset = ((canvas[0] - image[0]) // 2, (canvas[1] - image[1]) // 2)
        return Layout(canvas, (0.0, 0.0, float(width), float(height)), image, offset)
    scale = max(scale_x, scale_y)
    kept_width, kept_height = min(canvas[0] / scale, width), min(canvas[1] / scale, height)
    share_x, share_y = GRAVITIES[gravity]
    left, top = (width - kept_width) * share_x, (height - kept_height) * share_y
    right, bottom = min(left + kept_width, width), min(top + kept_height, height)
    return Layout(canvas, (left, top, right, bottom), canvas, (0, 0))
