"""JPEG quality is lowered no further than the limit asks for."""

from __future__ import annotations

import logging

import pytest

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.jpeg_quality import LOWEST_QUALITY, encode_jpeg
from tests.media.pictures import noise, opened

FREE = 100_000_000
"""More bytes than any picture here needs."""


def test_a_file_within_the_limit_keeps_its_quality(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    data = encode_jpeg(noise(640, 360), quality=95, max_bytes=FREE)
    assert opened(data).size == (640, 360)
    assert "quality lowered" not in caplog.text


@pytest.mark.parametrize("quality", [LOWEST_QUALITY, 75, 89, 90, 100])
def test_a_higher_quality_is_a_larger_file(quality: int) -> None:
    image = noise(640, 360)
    lower = len(encode_jpeg(image, quality=LOWEST_QUALITY, max_bytes=FREE))
    assert len(encode_jpeg(image, quality=quality, max_bytes=FREE)) >= lower


def test_quality_is_lowered_to_the_highest_step_that_fits(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    image = noise(640, 360)
    fitting = encode_jpeg(image, quality=83, max_bytes=FREE)
    assert encode_jpeg(image, quality=95, max_bytes=len(fitting)) == fitting
    assert "JPEG quality lowered from 95 to 83 to fit the limit." in caplog.text
    assert opened(fitting).size == (640, 360)


def test_a_file_over_the_limit_at_the_lowest_quality_is_refused() -> None:
    image = noise(640, 360)
    smallest = len(encode_jpeg(image, quality=LOWEST_QUALITY, max_bytes=FREE))
    assert len(encode_jpeg(image, quality=92, max_bytes=smallest)) == smallest
    with pytest.raises(
        InvalidFrame, match=rf"even at JPEG quality 40; the limit is {smallest - 1:,}"
    ) as error:
        encode_jpeg(image, quality=92, max_bytes=smallest - 1)
    assert error.value.todo == "Use a smaller `short_side`."
