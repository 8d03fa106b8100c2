from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.polling.rate_limiter import MAX_BACKOFF, MAX_RETRY_AFTER, RateLimiter


@given(
    ceiling=st.floats(0.5, 100),
    gaps=st.lists(st.floats(0, 3), min_size=2, max_size=60),
    window=st.floats(0.5, 10),
)
def test_the_ceiling_holds_in_every_window(ceiling: float, gaps: list[float], window: float) -> None:
    rate_limiter, now, calls = RateLimiter(ceiling), 100.0, []
    for gap in gaps:
        now += gap
        calls.append(rate_limiter.reserve(now))
    assert calls == sorted(calls)
    for first in calls:
        inside = [at for at in calls if first <= at <= first + window]
        assert len(inside) <= ceiling * (window + 0.2) + 1 + 1e-6


def test_nothing_is_held_up_without_need() -> None:
    rate_limiter = RateLimiter(10)
    assert [rate_limiter.reserve(100.0 + number) for number in range(5)] == [
        100.0,
        101.0,
        102.0,
        103.0,
        104.0,
    ]


def test_a_single_failure_stops_nobody_and_two_stop_everyone() -> None:
    rate_limiter = RateLimiter(10)
    assert rate_limiter.failed(100.0, asked_at=99.9) == 0
    assert rate_limiter.failing
    pause = rate_limiter.failed(100.5, asked_at=100.4)
    assert 0.5 <= pause <= 2
    assert rate_limiter.reserve(100.6) >= 100.5 + pause
    rate_limiter.answered()
    assert not rate_limiter.failing
    assert rate_limiter.failed(200.0, asked_at=199.0) == 0


def test_calls_under_way_when_it_stopped_do_not_stop_it_for_longer() -> None:
    rate_limiter = RateLimiter(10)
    rate_limiter.failed(100.0, asked_at=99.0)
    pause = rate_limiter.failed(100.1, asked_at=99.0)
    for _ in range(6):
        assert rate_limiter.failed(100.2, asked_at=99.5) == 0
    assert rate_limiter.paused(100.1) == pytest.approx(pause)


def test_silence_is_met_with_ever_longer_pauses_up_to_a_minute() -> None:
    rate_limiter, now, pauses = RateLimiter(10), 100.0, []
    for _ in range(12):
        pauses.append(rate_limiter.failed(now, asked_at=now))
        now += pauses[-1] + 1
    assert pauses[0] == 0
    assert pauses[4] > pauses[1]
    assert MAX_BACKOFF / 2 <= pauses[-1] <= MAX_BACKOFF


@pytest.mark.parametrize(("asked", "kept"), [(7.0, 7.0), (1e9, MAX_RETRY_AFTER)])
def test_retry_after_is_kept_within_reason(asked: float, kept: float) -> None:
    rate_limiter = RateLimiter(10)
    assert rate_limiter.failed(100.0, asked_at=99.0, retry_after=asked) == kept
    assert rate_limiter.paused(100.0) == kept
    assert rate_limiter.reserve(101.0) == 100.0 + kept


def test_a_later_retry_after_extends_a_pause_and_a_shorter_one_does_not_shorten_it() -> None:
    rate_limiter = RateLimiter(10)
    rate_limiter.failed(100.0, asked_at=99.0, retry_after=20.0)
    rate_limiter.failed(101.0, asked_at=99.5, retry_after=3.0)
    assert rate_limiter.paused(101.0) == 19.0
    rate_limiter.failed(102.0, asked_at=99.6, retry_after=60.0)
    assert rate_limiter.paused(102.0) == 60.0


def test_too_many_halves_the_rate_down_to_the_floor_and_good_answers_bring_it_back() -> None:
    rate_limiter, now = RateLimiter(10, floor=1), 100.0
    for expected in (5.0, 2.5, 1.25, 1.0, 1.0):
        now += 1000
        assert rate_limiter.failed(now, asked_at=now, limited=True) > 0
        assert rate_limiter.rate == expected
    for _ in range(100):
        rate_limiter.answered()
    assert rate_limiter.rate == 10


def test_a_burst_of_429_halves_the_rate_once() -> None:
    rate_limiter = RateLimiter(16)
    for _ in range(8):
        rate_limiter.failed(100.0, asked_at=99.0, limited=True)
    assert rate_limiter.rate == 8


def test_the_lowest_ceiling_counts() -> None:
    rate_limiter = RateLimiter(50)
    rate_limiter.lower(5)
    rate_limiter.lower(20)
    assert (rate_limiter.ceiling, rate_limiter.rate) == (5, 5)
    rate_limiter.lower(0.1)
    assert rate_limiter.floor == 0.1
