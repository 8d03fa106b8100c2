"""What the queue would refuse is found before a clip is paid for."""

from __future__ import annotations

import hashlib

import pytest
from PIL import Image

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.frame_check import check_frame
from kling_airflow.media.limits import MAX_FRAME_BYTES
from tests.media.pictures import HUBBLE, ROCKET, encoded, quarters


def test_what_a_frame_measures() -> None:
    data = ROCKET.read_bytes()
    info = check_frame(data)
    assert (info.format, info.width, info.height, info.bytes) == ("jpeg", 640, 427, len(data))
    assert info.sha256 == hashlib.sha256(data).hexdigest()
    assert check_frame(encoded(quarters(300, 300))).format == "png"


def test_a_phones_multi_picture_jpeg_is_a_jpeg() -> None:
    image = quarters(400, 300)
    data = encoded(image, "MPO", save_all=True, append_images=[image])
    assert check_frame(data).format == "jpeg"


@pytest.mark.parametrize("size", [(300, 300), (750, 300), (300, 750)])
def test_the_limits_themselves_are_allowed(size: tuple[int, int]) -> None:
    info = check_frame(encoded(Image.new("RGB", size)))
    assert (info.width, info.height) == size


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((299, 400), r"299 x 400 px; both sides must have at least 300 px"),
        ((400, 299), r"400 x 299 px; both sides"),
        ((751, 300), r"751 x 300 px, a shape of 2\.5:1; the limits are 1:2\.5 and 2\.5:1"),
        ((300, 900), r"300 x 900 px, a shape of 0\.333:1"),
    ],
)
def test_size_and_shape(size: tuple[int, int], message: str) -> None:
    with pytest.raises(InvalidFrame, match=message):
        check_frame(encoded(Image.new("RGB", size)))


def test_too_many_bytes() -> None:
    data = encoded(quarters(400, 300))
    padded = data + b"\0" * (MAX_FRAME_BYTES - len(data))
    assert check_frame(padded).bytes == MAX_FRAME_BYTES
    with pytest.raises(InvalidFrame, match=r"10,000,001 bytes; the limit is 10,000,000"):
        check_frame(padded + b"\0")


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "BMP"])
def test_other_formats(kind: str) -> None:
    with pytest.raises(InvalidFrame, match=r"not a readable \.jpg or \.png"):
        check_frame(encoded(quarters(400, 300), kind))


@pytest.mark.parametrize("data", [b"", b"<html>", HUBBLE.read_bytes()[:90_000]])
def test_no_picture_or_half_of_one(data: bytes) -> None:
    with pytest.raises(InvalidFrame, match="not a readable"):
        check_frame(data)


def test_an_error_names_no_memory_address() -> None:
    with pytest.raises(InvalidFrame) as caught:
        check_frame(b"nothing")
    assert "0x" not in str(caught.value)


def test_a_bomb_within_ten_megabytes() -> None:
    with pytest.raises(InvalidFrame, match=r"pixels"):
        check_frame(encoded(Image.new("1", (12_000, 12_000))))
