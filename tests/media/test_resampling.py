"""A picture brought to a frame's size in two halves is the picture brought to it in one."""

from __future__ import annotations

import threading

import pytest
from av.video.reformatter import Interpolation
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from kling_airflow.media.resampling import resampled
from tests.media.pictures import noise

LARGE = noise(1500, 1000)
SOFT = LARGE.point(lambda level: 64 + level // 2)


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


WHOLE_BOXES = {
    "all of it": (0, 0, 1500, 1000),
    "rows cut": (0, 78, 1500, 922),
    "columns cut, an odd width": (201, 0, 1298, 1000),
    "both": (7, 11, 1499, 977),
}


by_ffmpeg = pytest.mark.skipif(
    not hasattr(Interpolation, "BITEXACT"), reason="the results of this PyAV differ between machines"
)


def part_in_one(image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    """Resample a part by Pillow. FFmpeg doesn't look past the part's edge, as Pillow does with a box."""
    part = image.crop(box)
    return in_one(part, size, (0, 0, *part.size))


@by_ffmpeg
@pytest.mark.parametrize("size", [(640, 360), (333, 471), (1200, 900), (32, 18)])
@pytest.mark.parametrize("box", WHOLE_BOXES)
def test_ffmpeg_gives_the_same_picture(box: str, size: tuple[int, int]) -> None:
    # Noise is the hardest there is. Between its passes, Pillow cuts off what is darker than black.
    found = resampled(SOFT, size, WHOLE_BOXES[box], whole_pixels=True)
    plain = part_in_one(SOFT, size, WHOLE_BOXES[box])
    assert (found.mode, found.size) == ("RGB", size)
    assert largest_difference(found, plain) <= 6
    assert max(ImageStat.Stat(ImageChops.difference(found, plain)).mean) < 0.4


def test_ffmpeg_keeps_flat_colors_and_what_is_known_of_the_picture() -> None:
    image = Image.new("RGB", (1500, 1000), (1, 200, 255))
    image.info = {"icc_profile": b"a profile"}
    found = resampled(image, (640, 360), (0, 78, 1500, 922), whole_pixels=True)
    assert found.getcolors() == [(640 * 360, (1, 200, 255))]
    assert found.info == {"icc_profile": b"a profile"}


@by_ffmpeg
def test_edges_move_to_whole_pixels_only_if_they_may() -> None:
    box = (0.4, 78.25, 1499.6, 921.75)
    assert largest_difference(resampled(LARGE, (640, 360), box), in_one(LARGE, (640, 360), box)) <= 1
    moved = resampled(SOFT, (640, 360), box, whole_pixels=True)
    assert largest_difference(moved, part_in_one(SOFT, (640, 360), (0, 78, 1500, 922))) <= 6


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK"])
def test_other_modes_are_left_to_pillow(mode: str) -> None:
    image = LARGE.convert(mode)
    found = resampled(image, (640, 361), (0, 20, 1490, 990), whole_pixels=True)
    assert largest_difference(found, in_one(image, (640, 361), (0, 20, 1490, 990))) <= 1


def test_an_older_pyav_leaves_it_to_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no flag for results that are the same on each kind of processor."""
    monkeypatch.setattr("av.video.reformatter.Interpolation", type("Interpolation", (), {"LANCZOS": 512}))
    found = resampled(LARGE, (640, 360), (0, 0, 1500, 1000), whole_pixels=True)
    assert largest_difference(found, in_one(LARGE, (640, 360), (0, 0, 1500, 1000))) <= 1


def test_ffmpeg_gives_the_same_bytes_each_time() -> None:
    made = {resampled(LARGE, (640, 360), (0, 0, 1500, 1000), whole_pixels=True).tobytes() for _ in range(5)}
    assert len(made) == 1
