"""When a call is allowed, and how 429, failures and `Retry-After` change that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.polling.rate_limiter import MAX_BACKOFF, MAX_RETRY_AFTER, RateLimiter


@given(
    max_rate=st.floats(0.5, 100),
    gaps=st.lists(st.floats(0, 3), min_size=2, max_size=60),
    window=st.floats(0.5, 10),
)
def test_the_rate_is_kept_in_every_window(max_rate: float, gaps: list[float], window: float) -> None:
    rate_limiter, now, calls = RateLimiter(max_rate), 100.0, []
    for gap in gaps:
        now += gap
        calls.append(rate_limiter.reserve(now))
    assert calls == sorted(calls)
    for first in calls:
        inside = [at for at in calls if first <= at <= first + window]
        assert len(inside) <= max_rate * (window + 0.2) + 1 + 1e-6


def test_a_slow_sequence_of_calls_is_not_delayed() -> None:
    rate_limiter = RateLimiter(10)
    assert [rate_limiter.reserve(100.0 + number) for number in range(5)] == [
        100.0,
        101.0,
        102.0,
        103.0,
        104.0,
    ]


def test_one_failure_does_not_pause_the_connection_and_two_do() -> None:
    rate_limiter = RateLimiter(10)
    assert rate_limiter.record_failure(100.0, asked_at=99.9) == 0
    assert rate_limiter.failing
    pause = rate_limiter.record_failure(100.5, asked_at=100.4)
    assert 0.5 <= pause <= 2
    assert rate_limiter.reserve(100.6) >= 100.5 + pause
    rate_limiter.record_response()
    assert not rate_limiter.failing
    assert rate_limiter.record_failure(200.0, asked_at=199.0) == 0


def test_calls_made_before_a_pause_do_not_make_it_longer() -> None:
    rate_limiter = RateLimiter(10)
    rate_limiter.record_failure(100.0, asked_at=99.0)
    pause = rate_limiter.record_failure(100.1, asked_at=99.0)
    for _ in range(6):
        assert rate_limiter.record_failure(100.2, asked_at=99.5) == 0
    assert rate_limiter.pause_left(100.1) == pytest.approx(pause)


def test_each_failure_makes_the_pause_longer_up_to_a_minute() -> None:
    rate_limiter, now, pauses = RateLimiter(10), 100.0, []
    for _ in range(12):
        pauses.append(rate_limiter.record_failure(now, asked_at=now))
        now += pauses[-1] + 1
    assert pauses[0] == 0
    assert pauses[4] > pauses[1]
    assert MAX_BACKOFF / 2 <= pauses[-1] <= MAX_BACKOFF


@pytest.mark.parametrize(("asked", "kept"), [(7.0, 7.0), (1e9, MAX_RETRY_AFTER)])
def test_retry_after_is_capped(asked: float, kept: float) -> None:
    rate_limiter = RateLimiter(10)
    assert rate_limiter.record_failure(100.0, asked_at=99.0, retry_after=asked) == kept
    assert rate_limiter.pause_left(100.0) == kept
    assert rate_limiter.reserve(101.0) == 100.0 + kept


def test_a_later_retry_after_extends_a_pause_and_a_shorter_one_does_not_shorten_it() -> None:
    rate_limiter = RateLimiter(10)
    rate_limiter.record_failure(100.0, asked_at=99.0, retry_after=20.0)
    rate_limiter.record_failure(101.0, asked_at=99.5, retry_after=3.0)
    assert rate_limiter.pause_left(101.0) == 19.0
    rate_limiter.record_failure(102.0, asked_at=99.6, retry_after=60.0)
    assert rate_limiter.pause_left(102.0) == 60.0


def test_429_halves_the_rate_down_to_the_minimum_and_good_responses_restore_it() -> None:
    rate_limiter, now = RateLimiter(10, min_rate=1), 100.0
    for expected in (5.0, 2.5, 1.25, 1.0, 1.0):
        now += 1000
        assert rate_limiter.record_failure(now, asked_at=now, limited=True) > 0
        assert rate_limiter.rate == expected
    for _ in range(100):
        rate_limiter.record_response()
    assert rate_limiter.rate == 10


def test_a_burst_of_429_halves_the_rate_once() -> None:
    rate_limiter = RateLimiter(16)
    for _ in range(8):
        rate_limiter.record_failure(100.0, asked_at=99.0, limited=True)
    assert rate_limiter.rate == 8


def test_the_lowest_limit_counts() -> None:
    rate_limiter = RateLimiter(50)
    rate_limiter.lower_max_rate(5)
    rate_limiter.lower_max_rate(20)
    assert (rate_limiter.max_rate, rate_limiter.rate) == (5, 5)
    rate_limiter.lower_max_rate(0.1)
    assert rate_limiter.min_rate == 0.1


def test_a_share_divides_the_highest_and_the_lowest_rate() -> None:
    limiter = RateLimiter(50.0)
    limiter.set_share(0.25)
    assert (limiter.max_rate, limiter.rate) == (12.5, 12.5)
    for at in range(20):
        limiter.record_failure(at * 1000.0, asked_at=at * 1000.0, limited=True)
    assert limiter.rate == limiter.min_rate == pytest.approx(0.2 * 0.25)
    limiter.set_share(1.0)
    assert limiter.rate == pytest.approx(0.2), "a limiter that a 429 slowed stays as slow"
    assert limiter.max_rate == 50.0


def test_a_lower_limit_is_divided_as_well() -> None:
    limiter = RateLimiter(50.0)
    limiter.set_share(0.5)
    limiter.lower_max_rate(10.0)
    assert limiter.max_rate == limiter.rate == 5.0
    limiter.lower_max_rate(20.0)
    assert limiter.max_rate == 5.0


def test_a_share_spreads_the_calls() -> None:
    limiter = RateLimiter(10.0)
    limiter.set_share(0.5)
    times = [limiter.reserve(0.0) for _ in range(50)]
    assert times[-1] == pytest.approx((50 - 1 - 1) / 5.0, abs=0.2)
