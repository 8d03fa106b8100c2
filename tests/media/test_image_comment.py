"""A comment changes the file's hash and nothing that is seen."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kling_airflow.errors import InvalidArgument, InvalidFrame
from kling_airflow.media.frame_check import check_frame
from kling_airflow.media.image_comment import with_comment
from tests.media.pictures import HUBBLE, ROCKET, encoded, opened, quarters

printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200)
PNG, JPEG = encoded(quarters(400, 300)), HUBBLE.read_bytes()


@given(printable)
def test_the_comment_can_be_read_and_the_pixels_are_the_same(comment: str) -> None:
    png = opened(with_comment(PNG, comment))
    assert png.info["Comment"] == comment
    assert png.tobytes() == opened(PNG).tobytes()
    jpeg = Image.open(io.BytesIO(with_comment(JPEG, comment)))
    assert jpeg.info["comment"] == comment.encode()


@pytest.mark.parametrize("data", [PNG, JPEG, ROCKET.read_bytes(), encoded(quarters(400, 300), "JPEG")])
def test_everything_else_stays(data: bytes) -> None:
    made = with_comment(data, "nonce-1")
    before, after = opened(data), opened(made)
    assert before.tobytes() == after.tobytes()
    assert before.info.get("icc_profile") == after.info.get("icc_profile")
    assert before.info.get("exif") == after.info.get("exif")
    assert check_frame(made).sha256 != check_frame(data).sha256
    assert len(made) - len(data) <= len("nonce-1") + 20


def test_the_comment_follows_the_application_segments() -> None:
    made = with_comment(JPEG, "nonce-1")
    assert made[:4] == JPEG[:4]
    assert made.index(b"\xff\xfe\x00\x09nonce-1") > made.index(b"ICC_PROFILE")


@pytest.mark.parametrize("comment", ["", "x" * 201, "naïve", "two\nlines"])
def test_only_short_printable_ascii(comment: str) -> None:
    with pytest.raises(InvalidArgument, match=r"1 to 200, printable ASCII"):
        with_comment(PNG, comment)


def test_only_jpeg_and_png() -> None:
    with pytest.raises(InvalidFrame, match="JPEG or PNG"):
        with_comment(encoded(quarters(400, 300), "WEBP"), "nonce")
    with pytest.raises(InvalidFrame, match="cut short"):
        with_comment(JPEG[:10], "nonce")
