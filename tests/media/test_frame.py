"""Frames made of pictures: shape, look, limits, the same bytes twice."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageOps, ImageStat

from kling_airflow.errors import InvalidArgument, InvalidFrame
from kling_airflow.media import FrameOptions, check_frame, prepare_frame
from kling_airflow.media.geometry import ASPECT_RATIOS, FITS
from tests.media.pictures import (
    BLUE,
    GREEN,
    HUBBLE,
    RED,
    ROCKET,
    WHITE,
    corners,
    encoded,
    near,
    noise,
    opened,
    quarters,
    swapped_profile,
)

MODES = ("1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(MODES),
    st.integers(200, 1600),
    st.integers(200, 1600),
    st.sampled_from(ASPECT_RATIOS),
    st.sampled_from(FITS),
    st.sampled_from(["#102030", "blur"]),
    st.sampled_from(["jpeg", "png"]),
)
def test_every_mode_size_shape_and_fit_gives_a_frame_that_the_queue_takes(
    mode: str, width: int, height: int, aspect_ratio: str, fit: str, background: str, kind: str
) -> None:
    image = (
        Image.new("I;16", (width, height), 30_000)
        if mode == "I;16"
        else quarters(width, height).convert(mode)
    )
    options = FrameOptions(aspect_ratio=aspect_ratio, fit=fit, background=background, format=kind)
    try:
        frame = prepare_frame(encoded(image, "TIFF" if mode == "CMYK" else "PNG"), options)
    except InvalidFrame:
        assert min(width, height) < 300
        return
    made = opened(frame.data)
    assert check_frame(frame.data) == frame.info
    assert (made.mode, made.size) == ("RGB", (frame.info.width, frame.info.height))
    assert frame.info.format == kind == (made.format or "").lower()
    assert min(made.size) <= 720
    assert max(made.size) <= 1280


@pytest.mark.parametrize("photo", [ROCKET, HUBBLE])
@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_the_same_photograph_gives_the_same_bytes(photo: Path, kind: str) -> None:
    options = FrameOptions(format=kind, fit="contain", background="blur")
    assert prepare_frame(photo.read_bytes(), options) == prepare_frame(photo.read_bytes(), options)


def test_cover_keeps_what_gravity_says() -> None:
    tall = encoded(quarters(1000, 2000))
    top = opened(prepare_frame(tall, FrameOptions(gravity="top", format="png")).data)
    bottom = opened(prepare_frame(tall, FrameOptions(gravity="bottom", format="png")).data)
    assert corners(top) == [RED, GREEN, RED, GREEN]
    assert corners(bottom) == [BLUE, WHITE, BLUE, WHITE]


def test_contain_pads_with_the_color() -> None:
    made = opened(
        prepare_frame(
            encoded(quarters(900, 900)), FrameOptions(fit="contain", background="#0a141e", format="png")
        ).data
    )
    assert made.size == (1280, 720)
    assert [made.getpixel((x, 360)) for x in (0, 278, 1001, 1279)] == [(10, 20, 30)] * 4
    assert [made.getpixel(at) for at in ((300, 20), (980, 20), (300, 700), (980, 700))] == [
        RED,
        GREEN,
        BLUE,
        WHITE,
    ]


def test_contain_with_blur_fills_the_edges_from_the_picture() -> None:
    made = opened(
        prepare_frame(
            encoded(quarters(900, 900)), FrameOptions(fit="contain", background="blur", format="png")
        ).data
    )
    assert near(made.getpixel((60, 60)), RED, 30)
    assert near(made.getpixel((1220, 660)), WHITE, 30)
    # Soft: no step as hard as the picture's own from red to blue.
    edge = [made.getpixel((60, y))[0] for y in range(720)]
    assert max(abs(a - b) for a, b in itertools.pairwise(edge)) < 40
    assert made.getpixel((300, 20)) == RED


def test_stretch_shows_everything() -> None:
    made = opened(
        prepare_frame(encoded(quarters(1400, 1400)), FrameOptions(fit="stretch", format="png")).data
    )
    assert made.size == (1280, 720)
    assert corners(made) == [RED, GREEN, BLUE, WHITE]


def test_a_sideways_photograph_is_cut_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(quarters(3000, 2000), "JPEG", exif=exif.tobytes(), quality=95)
    made = opened(prepare_frame(data, FrameOptions(aspect_ratio="9:16", format="png")).data)
    assert made.size == (720, 1280)
    assert all(near(at, want, 20) for at, want in zip(corners(made), (BLUE, RED, WHITE, GREEN), strict=True))


def test_a_draft_decoded_jpeg_looks_like_the_whole_one() -> None:
    photo = opened(HUBBLE.read_bytes()).resize((6000, 4000))
    data = encoded(photo, "JPEG", quality=95)
    made = opened(prepare_frame(data, FrameOptions(format="png")).data)
    whole = photo.convert("RGB").crop((0, 312, 6000, 3687)).resize((1280, 720), Image.Resampling.LANCZOS)
    difference = ImageStat.Stat(ImageChops.difference(made, whole)).mean
    assert max(difference) < 2


def test_metadata_is_left_behind() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    data = encoded(quarters(1600, 900), "JPEG", exif=exif.tobytes(), comment=b"private")
    for kind in ("jpeg", "png"):
        frame = prepare_frame(data, FrameOptions(format=kind))
        assert b"taken at home" not in frame.data
        assert b"private" not in frame.data
        assert not opened(frame.data).getexif()


def test_jpeg_quality_is_lowered_to_fit(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    data = encoded(noise(1280, 720))
    free = prepare_frame(data, FrameOptions(quality=95))
    capped = prepare_frame(data, FrameOptions(quality=95, max_frame_bytes=free.info.bytes // 2))
    assert capped.info.bytes <= free.info.bytes // 2
    assert (capped.info.width, capped.info.height) == (1280, 720)
    assert "JPEG quality lowered from 95 to" in caplog.text
    # No lower than need be.
    assert capped.info.bytes > prepare_frame(data, FrameOptions(quality=40)).info.bytes * 1.2


def test_the_queues_own_limit_holds_for_the_worst_picture() -> None:
    frame = prepare_frame(encoded(noise(3840, 2160), "BMP"), FrameOptions(quality=100, short_side=2160))
    assert frame.info.bytes <= 10_000_000
    assert (frame.info.width, frame.info.height) == (3840, 2160)


def test_what_cannot_be_made_to_fit_says_what_would_help() -> None:
    data = encoded(noise(1280, 720))
    with pytest.raises(InvalidFrame, match=r"even at JPEG quality 40; the limit is 20,000.*short_side"):
        prepare_frame(data, FrameOptions(max_frame_bytes=20_000))
    with pytest.raises(InvalidFrame, match=r'as PNG; the limit is 20,000.*format="jpeg"'):
        prepare_frame(data, FrameOptions(max_frame_bytes=20_000, format="png"))


def test_quality_is_felt() -> None:
    low, high = (prepare_frame(ROCKET.read_bytes(), FrameOptions(quality=q)).info.bytes for q in (50, 95))
    assert low * 2 < high


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "webp"}, "`format` is 'webp'; it must be one of jpeg, png"),
        ({"quality": 39}, "`quality` is 39; it must be from 40 to 100"),
        ({"quality": 101}, "`quality` is 101"),
        ({"background": "blurr"}, "`background` is 'blurr'; it must be 'blur' or a color"),
        ({"fit": "fill"}, "`fit` is 'fill'"),
        ({"max_frame_bytes": 10_000_001}, "`max_frame_bytes` is 10000001"),
        ({"max_pixels": 0}, "`max_pixels` is 0"),
    ],
)
def test_options_are_checked_before_anything_is_read(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        FrameOptions(**options)


def test_a_color_profile_reaches_the_frame() -> None:
    data = encoded(Image.new("RGB", (1600, 900), (200, 0, 0)), "PNG", icc_profile=swapped_profile())
    red, green, _ = opened(prepare_frame(data, FrameOptions(format="png")).data).getpixel((5, 5))
    assert green > 150 > 60 > red


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("aspect_ratio", ["16:9", "1:1", "9:16"])
def test_a_large_jpeg_shows_what_a_full_decode_shows(aspect_ratio: str, orientation: int) -> None:
    """Asserts that decoding at a half and moving edges to whole pixels can't be seen."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = opened(HUBBLE.read_bytes()).resize((4003, 2807), Image.Resampling.BICUBIC)
    data = encoded(picture, "JPEG", quality=95, exif=exif.tobytes())
    options = FrameOptions(aspect_ratio=aspect_ratio, format="png", short_side=480)
    found = opened(prepare_frame(data, options).data)
    full = ImageOps.fit(ImageOps.exif_transpose(opened(data)), found.size, Image.Resampling.LANCZOS)
    assert max(ImageStat.Stat(ImageChops.difference(found, full)).mean) < 1.5
