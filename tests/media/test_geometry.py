"""Sizes and cuts, as promised for any picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument, InvalidFrame
from kling_airflow.media.geometry import ASPECT_RATIOS, FITS, GRAVITIES, plan

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
def test_any_picture_becomes_a_frame_within_the_limits_or_is_refused(width, height, chosen):
    try:
        made = plan(width, height, **chosen)
    except InvalidFrame:
        # Only a picture too small for the queue is refused.
        assert min(width, height) < 300
        return
    across, down = made.canvas
    short, long = sorted(made.canvas)
    assert short >= 300
    assert 5 * short >= 2 * long
    assert across % 2 == 0
    assert down % 2 == 0
    assert short <= chosen["short_side"]
    assert long <= chosen["short_side"] * 16 / 9


@given(sides, sides, options)
def test_the_exact_shape_that_was_asked_for(width, height, chosen):
    if chosen["aspect_ratio"] == "source":
        return
    across, down = RATIOS[chosen["aspect_ratio"]]
    try:
        made = plan(width, height, **chosen)
    except InvalidFrame:
        return
    assert made.canvas[0] * down == made.canvas[1] * across


@given(sides, sides, options)
def test_pixels_are_invented_only_to_reach_the_minimum(width, height, chosen):
    try:
        made = plan(width, height, **chosen)
    except InvalidFrame:
        return
    assert made.scale <= 2
    if made.scale > 1 + 1e-9:
        # The next smaller frame of that shape would break the limit.
        assert min(made.canvas) < 300 + 18


@given(sides, sides, options)
def test_the_cut_lies_within_the_picture_and_the_image_within_the_frame(width, height, chosen):
    try:
        made = plan(width, height, **chosen)
    except InvalidFrame:
        return
    left, top, right, bottom = made.crop
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert 0 <= made.offset[0] <= made.canvas[0] - made.image[0]
    assert 0 <= made.offset[1] <= made.canvas[1] - made.image[1]


@given(st.integers(300, 9000), st.integers(300, 9000), st.sampled_from(["cover", "contain"]))
def test_cover_and_contain_do_not_distort(width, height, fit):
    made = plan(width, height, fit=fit)
    left, top, right, bottom = made.crop
    # One pixel of rounding, on whichever side it falls.
    across, down = made.image[0] / (right - left), made.image[1] / (bottom - top)
    assert (
        abs(made.image[0] - (right - left) * down) <= 1 or abs(made.image[1] - (bottom - top) * across) <= 1
    )


@given(st.integers(300, 9000), st.integers(300, 9000), st.sampled_from(FITS))
def test_source_keeps_the_shape_where_the_queue_takes_it(width, height, fit):
    if max(width, height) > 2.5 * min(width, height):
        return
    made = plan(width, height, aspect_ratio="source", fit=fit)
    assert not made.is_padded
    left, top, right, bottom = made.crop
    # Even sides cost less than two frame pixels of the picture.
    assert (width - (right - left)) * made.scale < 2.01
    assert (height - (bottom - top)) * made.scale < 2.01


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
def test_sizes(size, chosen, canvas):
    assert plan(*size, **chosen).canvas == canvas


def test_a_picture_far_too_small_is_refused_with_the_numbers():
    with pytest.raises(InvalidFrame, match=r"120 x 90 px.*at least 300 px.*4\.5 times.*limit is 2 times"):
        plan(120, 90)


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
def test_gravity_chooses_what_stays_of_a_tall_picture(gravity, left, top):
    assert plan(2000, 2000, gravity=gravity).crop[:2] == pytest.approx((left, top))


def test_gravity_chooses_what_stays_of_a_wide_picture():
    lefts = {name: plan(3200, 900, gravity=name).crop[0] for name in ("left", "center", "right", "top-right")}
    assert lefts == pytest.approx({"left": 0, "center": 800, "right": 1600, "top-right": 1600})


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"aspect_ratio": "4:3"}, "aspect_ratio is '4:3'; it must be one of 16:9, 9:16, 1:1, source"),
        ({"fit": "crop"}, "fit is 'crop'"),
        ({"gravity": "north"}, "gravity is 'north'"),
        ({"short_side": 431}, "short_side is 431; it must be from 432 to 2160"),
        ({"short_side": 2161}, "short_side is 2161"),
    ],
)
def test_unknown_words_and_sizes(chosen, message):
    with pytest.raises(InvalidArgument, match=message):
        plan(1000, 1000, **chosen)
