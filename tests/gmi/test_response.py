"""The headers and the body of one response."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.gmi.test_failures import response_of


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    assert response_of(429, "", retry_after="17").retry_after == 17
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    seconds = response_of(429, "", retry_after=later).retry_after
    assert seconds is not None
    assert 55 < seconds <= 60
    assert response_of(429, "", retry_after="soon").retry_after is None
    assert response_of(429).retry_after is None
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=60), usegmt=True)
    assert response_of(429, "", retry_after=past).retry_after == 0
