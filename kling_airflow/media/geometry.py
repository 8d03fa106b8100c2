"""How a picture of one size becomes a frame of another. Integers and ratios only; no pixels.

Sizes are ``(width, height)`` in pixels. Every frame has even sides, as the video codecs want them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from kling_airflow.errors import InvalidArgument, InvalidFrame

MIN_SIDE = 300
"""Shortest side the queue takes, in pixels (doc)."""

MAX_SHAPE = 2.5
"""Longest side over shortest that the queue takes (doc)."""

MAX_ENLARGEMENT = 2.0
"""How far a small picture is enlarged to reach ``MIN_SIDE``. Beyond it most pixels would be invented."""

SHORT_SIDE = 720
"""The short side of a 720p frame, which is what Kling v3 renders."""

SHORT_SIDE_RANGE = (432, 2160)
"""Below the first a 2.5:1 frame could not keep ``MIN_SIDE``; beyond the second nothing is gained."""

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
class Plan:
    """What to cut out of the picture, how large to make it, and where on the frame to put it.

    :param canvas: size of the frame.
    :param crop: left, top, right, bottom in pixels of the upright picture; fractions are meant.
    :param image: size the crop is brought to.
    :param offset: where its upper left corner lies on the canvas.
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
    """Raise ``InvalidArgument`` for a word or a number that ``plan`` doesn't know."""
    for field, value, known in (
        ("aspect_ratio", aspect_ratio, ASPECT_RATIOS),
        ("fit", fit, FITS),
        ("gravity", gravity, tuple(GRAVITIES)),
    ):
        if value not in known:
            raise InvalidArgument(f"{field} is {value!r}; it must be one of {', '.join(known)}.")
    low, high = SHORT_SIDE_RANGE
    if not low <= short_side <= high:
        raise InvalidArgument(f"short_side is {short_side}; it must be from {low} to {high} pixels.")


def plan(
    width: int,
    height: int,
    *,
    aspect_ratio: str = "16:9",
    fit: str = "cover",
    gravity: str = "center",
    short_side: int = SHORT_SIDE,
) -> Plan:
    """Decide the frame's size and what of the picture goes where.

    The frame is never larger than asked, nor larger than the picture has pixels for; only a picture
    too small for the queue is enlarged, at most ``MAX_ENLARGEMENT`` times.

    :param width: of the upright picture, pixels.
    :param height: of the upright picture, pixels.
    :param aspect_ratio: "16:9", "9:16", "1:1", or "source" for the picture's own shape.
    :param fit: "cover" cuts what is too much, "contain" pads, "stretch" distorts.
    :param gravity: which part "cover" keeps.
    :param short_side: upper limit of the frame's shorter side, pixels; 720 makes 1280x720 of 16:9.
    :raises InvalidArgument: for an unknown word or a number out of range.
    :raises InvalidFrame: where the picture is too small.
    """
    check_options(aspect_ratio, fit, gravity, short_side)
    if aspect_ratio == "source":
        if max(width, height) <= MAX_SHAPE * min(width, height):
            fit = "cover"  # the shape is kept; rounding to even sides is no reason for a padded edge
        canvas = _canvas_of_source(width, height, fit, short_side)
    else:
        canvas = _canvas_of_shape(width, height, _UNITS[aspect_ratio], fit, short_side)
    made = _place(width, height, canvas, fit, gravity)
    if made.scale > MAX_ENLARGEMENT:
        raise InvalidFrame(
            f"The picture is {width} x {height} px: a frame needs sides of at least {MIN_SIDE} px, so "
            f"aspect_ratio={aspect_ratio!r} with fit={fit!r} would enlarge it {made.scale:.1f} times; "
            f"the limit is {MAX_ENLARGEMENT:g} times. Use a larger picture."
        )
    return made


def _canvas_of_shape(
    width: int, height: int, unit: tuple[int, int], fit: str, short_side: int
) -> tuple[int, int]:
    """Return the largest multiple of ``unit`` that both the asker and the picture's pixels allow."""
    across, down = unit
    room = max if fit == "contain" else min
    allowed = min(short_side // min(unit), room(width // across, height // down))
    times = max(allowed, math.ceil(MIN_SIDE / min(unit)))
    return across * times, down * times


def _canvas_of_source(width: int, height: int, fit: str, short_side: int) -> tuple[int, int]:
    """Return the picture's own shape, brought within the queue's limits and the size asked for."""
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


def _place(width: int, height: int, canvas: tuple[int, int], fit: str, gravity: str) -> Plan:
    across, down = canvas[0] / width, canvas[1] / height
    if fit == "stretch":
        return Plan(canvas, (0.0, 0.0, float(width), float(height)), canvas, (0, 0))
    if fit == "contain":
        scale = min(across, down)
        image = (
            min(canvas[0], max(1, round(width * scale))),
            min(canvas[1], max(1, round(height * scale))),
        )
        offset = ((canvas[0] - image[0]) // 2, (canvas[1] - image[1]) // 2)
        return Plan(canvas, (0.0, 0.0, float(width), float(height)), image, offset)
    scale = max(across, down)
    kept_width, kept_height = min(canvas[0] / scale, width), min(canvas[1] / scale, height)
    pull_x, pull_y = GRAVITIES[gravity]
    left, top = (width - kept_width) * pull_x, (height - kept_height) * pull_y
    right, bottom = min(left + kept_width, width), min(top + kept_height, height)
    return Plan(canvas, (left, top, right, bottom), canvas, (0, 0))
