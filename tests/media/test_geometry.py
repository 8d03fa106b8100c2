"""Sizes and cuts, as promised for any picture."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument, InvalidFrame
from kling_airflow.media.geometry import ASPECT_RATIOS, FITS, GRAVITIES, plan_layout

RATIOS = {"16:9": (16, 9), "9:16": (9, 16), "1:1": (1, 1)}
sides = st.integers(1, 9000)
options = st.fixed_dictionaries(
    {
        "aspect_ratio": st.sampled_from(ASPECT_RATIOS),
        "fit": st.sampled_from(FITS),
        "gravity": st.sampled_from(sorted(GRAVITIES)),
        "short_side": st.integers(432, 2160),
    }
)


@given(sides, sides, options)
def test_any_picture_becomes_a_frame_within_the_limits_or_is_refused(
    width: int, height: int, chosen: dict[str, Any]
) -> None:
    try:
        layout = plan_layout(width, height, **chosen)
    except InvalidFrame:
        # Only a picture too small for the queue is refused.
        assert min(width, height) < 300
        return
    across, down = layout.canvas
    short, long = sorted(layout.canvas)
    assert short >= 300
    assert 5 * short >= 2 * long
    assert across % 2 == 0
    assert down % 2 == 0
    assert short <= chosen["short_side"]
    assert long <= chosen["short_side"] * 16 / 9


@given(sides, sides, options)
def test_the_exact_shape_that_was_asked_for(width: int, height: int, chosen: dict[str, Any]) -> None:
    if chosen["aspect_ratio"] == "source":
        return
    across, down = RATIOS[chosen["aspect_ratio"]]
    try:
        layout = plan_layout(width, height, **chosen)
    except InvalidFrame:
        return
    assert layout.canvas[0] * down == layout.canvas[1] * across


@given(sides, sides, options)
def test_pixels_are_invented_only_to_reach_the_minimum(
    width: int, height: int, chosen: dict[str, Any]
) -> None:
    try:
        layout = plan_layout(width, height, **chosen)
    except InvalidFrame:
        return
    assert layout.scale <= 2
    if layout.scale > 1 + 1e-9:
        # The next smaller frame of that shape would break the limit.
        assert min(layout.canvas) < 300 + 18


@given(sides, sides, options)
def test_the_cut_lies_within_the_picture_and_the_image_within_the_frame(
    width: int, height: int, chosen: dict[str, Any]
) -> None:
    try:
        layout = plan_layout(width, height, **chosen)
    except InvalidFrame:
        return
    left, top, right, bottom = layout.crop
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert 0 <= layout.offset[0] <= layout.canvas[0] - layout.image[0]
    assert 0 <= layout.offset[1] <= layout.canvas[1] - layout.image[1]


@given(st.integers(300, 9000), st.integers(300, 9000), st.sampled_from(["cover", "contain"]))
def test_cover_and_contain_do_not_distort(width: int, height: int, fit: str) -> None:
    layout = plan_layout(width, height, fit=fit)
    left, top, right, bottom = layout.crop
    # One pixel of rounding, on whichever side it falls.
    across, down = layout.image[0] / (right - left), layout.image[1] / (bottom - top)
    assert (
        abs(layout.image[0] - (right - left) * down) <= 1
        or abs(layout.image[1] - (bottom - top) * across) <= 1
    )


@given(st.integers(300, 9000), st.integers(300, 9000), st.sampled_from(FITS))
def test_source_keeps_the_shape_where_the_queue_takes_it(width: int, height: int, fit: str) -> None:
    if max(width, height) > 2.5 * min(width, height):
        return
    layout = plan_layout(width, height, aspect_ratio="source", fit=fit)
    assert not layout.is_padded
    left, top, right, bottom = layout.crop
    # Even sides cost less than two frame pixels of the picture.
    assert (width - (right - left)) * layout.scale < 2.01
    assert (height - (bottom - top)) * layout.scale < 2.01


@pytest.mark.parametrize(
    ("size", "chosen", "canvas"),
    [
        ((6000, 4000), {}, (1280, 720)),
        ((4000, 6000), {"aspect_ratio": "9:16"}, (720, 1280)),
        ((6000, 4000), {"aspect_ratio": "1:1"}, (720, 720)),
        ((6000, 4000), {"aspect_ratio": "source"}, (1080, 720)),
        ((6000, 4000), {"short_side": 1080}, (1920, 1080)),
        ((1280, 720), {}, (1280, 720)),
        ((640, 427), {}, (640, 360)),  # no pixel more than the photograph has
        ((640, 427), {"fit": "contain"}, (736, 414)),
        ((500, 281), {}, (544, 306)),  # enlarged: the smallest 16:9 that the queue takes
        ((272, 153), {}, (544, 306)),  # exactly twice
        ((5000, 1000), {"aspect_ratio": "source"}, (1280, 512)),
        ((1000, 5000), {"aspect_ratio": "source"}, (512, 1280)),
        ((5000, 1000), {"aspect_ratio": "source", "fit": "contain"}, (1280, 512)),
        ((1000, 200), {"aspect_ratio": "source"}, (750, 300)),
    ],
)
def test_sizes(size: tuple[int, int], chosen: dict[str, Any], canvas: tuple[int, int]) -> None:
    assert plan_layout(*size, **chosen).canvas == canvas


def test_a_picture_far_too_small_is_refused_with_the_numbers() -> None:
    with pytest.raises(InvalidFrame, match=r"120 x 90 px.*at least 300 px.*4\.5 times.*limit is 2 times"):
        plan_layout(120, 90)


@pytest.mark.parametrize(
    ("gravity", "left", "top"),
    [
        ("center", 0, 437.5),
        ("top", 0, 0),
        ("bottom", 0, 875),
        ("left", 0, 437.5),
        ("top-right", 0, 0),
        ("bottom-left", 0, 875),
    ],
)
def test_gravity_chooses_what_stays_of_a_tall_picture(gravity: str, left: float, top: float) -> None:
    assert plan_layout(2000, 2000, gravity=gravity).crop[:2] == pytest.approx((left, top))


def test_gravity_chooses_what_stays_of_a_wide_picture() -> None:
    lefts = {
        name: plan_layout(3200, 900, gravity=name).crop[0]
        for name in ("left", "center", "right", "top-right")
    }
    assert lefts == pytest.approx({"left": 0, "center": 800, "right": 1600, "top-right": 1600})


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"aspect_ratio": "4:3"}, "`aspect_ratio` is '4:3'; it must be one of 16:9, 9:16, 1:1, source"),
        ({"fit": "crop"}, "`fit` is 'crop'"),
        ({"gravity": "north"}, "`gravity` is 'north'"),
        ({"short_side": 431}, "`short_side` is 431; it must be from 432 to 2160"),
        ({"short_side": 2161}, "`short_side` is 2161"),
    ],
)
def test_unknown_words_and_sizes(chosen: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        plan_layout(1000, 1000, **chosen)
