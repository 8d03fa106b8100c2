from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.polling.rate_limiter import LONGEST_PAUSE, LONGEST_RETRY_AFTER, RateLimiter


@given(
    ceiling=st.floats(0.5, 100),
    gaps=st.lists(st.floats(0, 3), min_size=2, max_size=60),
    window=st.floats(0.5, 10),
)
def test_the_ceiling_holds_in_every_window(ceiling: float, gaps: list[float], window: float) -> None:
    pace, now, calls = RateLimiter(ceiling), 100.0, []
    for gap in gaps:
        now += gap
        calls.append(pace.reserve(now))
    assert calls == sorted(calls)
    for first in calls:
        inside = [at for at in calls if first <= at <= first + window]
        assert len(inside) <= ceiling * (window + 0.2) + 1 + 1e-6


def test_nothing_is_held_up_without_need() -> None:
    pace = RateLimiter(10)
    assert [pace.reserve(100.0 + number) for number in range(5)] == [100.0, 101.0, 102.0, 103.0, 104.0]


def test_a_single_failure_stops_nobody_and_two_stop_everyone() -> None:
    pace = RateLimiter(10)
    assert pace.failed(100.0, asked_at=99.9) == 0
    assert pace.failing
    pause = pace.failed(100.5, asked_at=100.4)
    assert 0.5 <= pause <= 2
    assert pace.reserve(100.6) >= 100.5 + pause
    pace.answered()
    assert not pace.failing
    assert pace.failed(200.0, asked_at=199.0) == 0


def test_calls_under_way_when_it_stopped_do_not_stop_it_for_longer() -> None:
    pace = RateLimiter(10)
    pace.failed(100.0, asked_at=99.0)
    pause = pace.failed(100.1, asked_at=99.0)
    for _ in range(6):
        assert pace.failed(100.2, asked_at=99.5) == 0
    assert pace.paused(100.1) == pytest.approx(pause)


def test_silence_is_met_with_ever_longer_pauses_up_to_a_minute() -> None:
    pace, now, pauses = RateLimiter(10), 100.0, []
    for _ in range(12):
        pauses.append(pace.failed(now, asked_at=now))
        now += pauses[-1] + 1
    assert pauses[0] == 0
    assert pauses[4] > pauses[1]
    assert LONGEST_PAUSE / 2 <= pauses[-1] <= LONGEST_PAUSE


@pytest.mark.parametrize(("asked", "kept"), [(7.0, 7.0), (1e9, LONGEST_RETRY_AFTER)])
def test_retry_after_is_kept_within_reason(asked: float, kept: float) -> None:
    pace = RateLimiter(10)
    assert pace.failed(100.0, asked_at=99.0, retry_after=asked) == kept
    assert pace.paused(100.0) == kept
    assert pace.reserve(101.0) == 100.0 + kept


def test_a_later_retry_after_extends_a_pause_and_a_shorter_one_does_not_shorten_it() -> None:
    pace = RateLimiter(10)
    pace.failed(100.0, asked_at=99.0, retry_after=20.0)
    pace.failed(101.0, asked_at=99.5, retry_after=3.0)
    assert pace.paused(101.0) == 19.0
    pace.failed(102.0, asked_at=99.6, retry_after=60.0)
    assert pace.paused(102.0) == 60.0


def test_too_many_halves_the_rate_down_to_the_floor_and_good_answers_bring_it_back() -> None:
    pace, now = RateLimiter(10, floor=1), 100.0
    for expected in (5.0, 2.5, 1.25, 1.0, 1.0):
        now += 1000
        assert pace.failed(now, asked_at=now, limited=True) > 0
        assert pace.rate == expected
    for _ in range(100):
        pace.answered()
    assert pace.rate == 10


def test_a_burst_of_429_halves_the_rate_once() -> None:
    pace = RateLimiter(16)
    for _ in range(8):
        pace.failed(100.0, asked_at=99.0, limited=True)
    assert pace.rate == 8


def test_the_lowest_ceiling_counts() -> None:
    pace = RateLimiter(50)
    pace.lower(5)
    pace.lower(20)
    assert (pace.ceiling, pace.rate) == (5, 5)
    pace.lower(0.1)
    assert pace.floor == 0.1
