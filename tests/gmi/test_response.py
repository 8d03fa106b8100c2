"""The headers and the body of one response."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kling_airflow.gmi.response import MAX_RETRY_AFTER
from tests.gmi.test_failures import response_of

NOON = "Mon, 23 Nov 2026 12:00:00 GMT"
DATES = st.builds(
    "Mon, {} Jan {} {}:00:00 {}".format, st.integers(), st.integers(), st.integers(), st.text(max_size=8)
)


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


def test_a_date_in_retry_after_counts_from_the_date_of_the_response() -> None:
    """The clock of the worker plays no part."""
    response = response_of(429, "", retry_after="Mon, 23 Nov 2026 12:00:30 GMT", date=NOON)
    assert response.retry_after == 30


@pytest.mark.parametrize(
    "value", ["3601", "31536000", "9" * 15, "9" * 400, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_retry_after_is_at_most_an_hour(value: str) -> None:
    assert response_of(429, "", retry_after=value, date=NOON).retry_after == MAX_RETRY_AFTER


@pytest.mark.parametrize(
    "value", ["", "-1", "1.5", "0x10", "soon", "\u00b2", "Mon, 99 Foo 2026 99:99:99 GMT"]
)
def test_an_unreadable_retry_after_is_none(value: str) -> None:
    assert response_of(429, "", retry_after=value).retry_after is None


@given(st.text(max_size=40) | st.integers().map(str) | DATES)
@example("Mon, 01 Jan 0001 00:00:00 +2359")
@example("Mon, 01 Jan 99999999999999999999 00:00:00 GMT")
def test_no_date_and_no_retry_after_raises(value: str) -> None:
    response = response_of(429, "", retry_after=value, date=value)
    assert response.retry_after is None or 0 <= response.retry_after <= MAX_RETRY_AFTER
    assert response.served_at is None or isinstance(response.served_at, float)
