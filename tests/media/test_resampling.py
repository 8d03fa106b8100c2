"""A picture brought to a frame's size in two halves is the picture brought to it in one."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from kling_airflow.media.resampling import resampled
from tests.media.pictures import noise

LARGE = noise(1500, 1000)


def in_one(image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> Image.Image:
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def largest_difference(a: Image.Image, b: Image.Image) -> int:
    extrema = [ImageChops.difference(x, y).getextrema() for x, y in zip(a.split(), b.split(), strict=True)]
    return max(int(high) for _, high in extrema)  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "LAB"])
def test_the_halves_fit_together_without_a_seam(mode: str) -> None:
    image = LARGE.convert("RGB" if mode == "LAB" else mode)
    image = Image.merge("LAB", image.split()) if mode == "LAB" else image
    box = (3.5, 20.25, 1490.0, 990.75)
    found = resampled(image, (640, 361), box)
    assert (found.mode, found.size) == (mode, (640, 361))
    assert largest_difference(found, in_one(image, (640, 361), box)) <= 1  # the halves' edges are rounded


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.floats(0, 200),
    st.floats(0, 200),
    st.floats(900, 1500),
    st.floats(700, 1000),
)
def test_any_size_of_any_part(
    width: int, height: int, left: float, top: float, right: float, bottom: float
) -> None:
    box = (left, top, right, bottom)
    found = resampled(LARGE, (width, height), box)
    assert found.size == (width, height)
    assert largest_difference(found, in_one(LARGE, (width, height), box)) <= 2


def test_the_same_picture_gives_the_same_bytes_and_leaves_no_thread() -> None:
    before = threading.active_count()
    made = {resampled(LARGE, (640, 360), (0, 0, 1500, 1000)).tobytes() for _ in range(5)}
    assert len(made) == 1
    assert threading.active_count() == before
