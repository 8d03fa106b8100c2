"""The share of a rate limit: counted by the store's clock, slow to rise, and kept while the store is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import LedgerUnavailable
from kling_airflow.polling.rate_limiter import RateLimiter
from kling_airflow.polling.share import BEAT_SECONDS, BEATS_UNTIL_GONE, Announce, LimitShare, alive
from tests.polling.waiting import eventually

GONE = BEAT_SECONDS * BEATS_UNTIL_GONE
BEAT = 0.05


@pytest.mark.parametrize(
    ("times", "count"),
    [
        ({"own": 1000.0}, 1),
        ({"own": 1000.0, "b": 1000.0}, 2),
        ({"own": 1000.0, "b": 1000.0 - GONE + 1}, 2),
        ({"own": 1000.0, "b": 1000.0 - GONE}, 1),
        ({"own": 1000.0, "b": 970.0, "c": 1003.0, "gone": 1.0}, 3),
        ({"b": 1000.0, "c": 990.0}, 3),  # a list without this triggerer's own record
    ],
)
def test_a_triggerer_is_alive_while_its_record_is_fresh(times: Mapping[str, float], count: int) -> None:
    assert alive(times, "own", GONE) == count


@given(
    ages=st.lists(st.floats(0, 1e5), max_size=20),
    store_clock=st.floats(-1e9, 4e9),
)
def test_only_differences_of_the_stores_own_clock_count(ages: list[float], store_clock: float) -> None:
    def count(now: float) -> int:
        return alive({"own": now, **{str(number): now - age for number, age in enumerate(ages)}}, "own", GONE)

    certain = [age for age in ages if abs(age - GONE) > 1e-3]  # rounding decides the others
    assert 1 + sum(age < GONE for age in certain) <= count(store_clock) <= 1 + len(ages)
    if len(certain) == len(ages):
        assert count(store_clock) == count(store_clock + 600) == 1 + sum(age < GONE for age in ages)


@given(
    starts=st.lists(st.floats(0, 300), min_size=1, max_size=5),
    ends=st.lists(st.floats(100, 600), min_size=5, max_size=5),
    phases=st.lists(st.floats(0, 1), min_size=5, max_size=5),
    limit=st.floats(5, 100),
)
def test_the_shares_together_exceed_the_limit_only_for_one_beat_of_a_newcomer(
    starts: list[float], ends: list[float], phases: list[float], limit: float
) -> None:
    """Triggerers that start and die at any time, against the records they would have written."""
    shares = [LimitShare(RateLimiter(limit), None) for _ in starts]
    limiters = [share._rate_limiter for share in shares]
    lives = [
        (start, max(start + 1, end), start + BEAT_SECONDS * (1.1 + phase))
        for start, end, phase in zip(starts, ends, phases, strict=False)
    ]
    records: dict[str, float] = {}
    beats = sorted(
        (at, number)
        for number, (start, end, second) in enumerate(lives)
        for at in [start, *(second + BEAT_SECONDS * beat for beat in range(25))]
        if start <= at < end
    )
    for at, number in beats:
        records[str(number)] = at
        shares[number].record_count(alive(records, str(number), GONE), at)
        running = [
            index
            for index, (start, end, _) in enumerate(lives)
            if start <= at < end and str(index) in records
        ]
        newest = max(lives[index][0] for index in running)
        together = sum(limiters[index].max_rate for index in running)
        if at > newest + 2.1 * BEAT_SECONDS:  # by then each has seen the newest one
            assert together <= limit * 1.000001


def test_a_new_triggerer_takes_little_until_the_others_have_seen_it() -> None:
    limiter = RateLimiter(60.0)
    share = LimitShare(limiter, None)
    share.record_count(3, 0.0)
    assert limiter.max_rate == pytest.approx(60 / 3 / 10)
    share.record_count(3, 33.0)
    assert limiter.max_rate == pytest.approx(20)


def test_a_new_triggerer_makes_a_call_in_five_seconds_at_least() -> None:
    limiter = RateLimiter(1.0)
    LimitShare(limiter, None).record_count(2, 0.0)
    assert limiter.max_rate == pytest.approx(0.2)


def test_a_triggerer_alone_has_the_whole_limit_at_once() -> None:
    limiter = RateLimiter(60.0)
    LimitShare(limiter, None).record_count(1, 0.0)
    assert limiter.max_rate == 60.0


def test_the_share_of_a_triggerer_that_died_moves() -> None:
    limiter = RateLimiter(60.0)
    share = LimitShare(limiter, None)
    for at, count in enumerate([2, 2, 2, 1]):
        share.record_count(count, at * BEAT_SECONDS)
    assert limiter.max_rate == 60.0


def test_after_the_store_was_away_a_share_rises_one_beat_later() -> None:
    """The first triggerer that reaches the store again finds only old records, but the others poll."""
    limiter = RateLimiter(60.0)
    share = LimitShare(limiter, None)
    share.record_count(2, 0.0)
    share.record_count(2, 30.0)
    assert limiter.max_rate == 30.0
    share.record_count(1, 600.0)
    assert limiter.max_rate == 30.0
    share.record_count(1, 630.0)
    assert limiter.max_rate == 60.0


def test_the_configured_number_counts_until_the_triggerers_are_counted() -> None:
    limiter = RateLimiter(60.0)
    LimitShare(limiter, None, triggerers=3)
    assert limiter.max_rate == pytest.approx(20.0)


async def _kept(limiter: RateLimiter, announce: Announce, triggerers: int = 1) -> asyncio.Task[None]:
    share = LimitShare(limiter, announce, triggerers=triggerers, beat_seconds=BEAT)
    return asyncio.create_task(share.keep())


async def test_while_the_store_is_away_the_last_share_stays_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[str] = []
    away = False

    async def announce() -> tuple[str, Mapping[str, float]]:
        calls.append("away" if away else "there")
        if away:
            raise LedgerUnavailable("the store has no answer")
        return "own", {"own": 1.0, "other": 1.0}

    limiter = RateLimiter(60.0)
    with caplog.at_level(logging.INFO, "kling_airflow.polling.share"):
        task = await _kept(limiter, announce)
        await eventually(lambda: limiter.max_rate == 30.0)
        away = True
        await eventually(lambda: calls.count("away") >= 4)
        assert limiter.max_rate == 30.0
        away = False
        there = calls.count("there")
        await eventually(lambda: calls.count("there") > there + 1)
        task.cancel()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "the store has no answer" in warnings[0]
    assert "30 calls a second" in warnings[0]
    assert sum("counted again" in record.getMessage() for record in caplog.records) == 1


async def test_a_store_that_was_never_there_leaves_the_configured_share() -> None:
    calls = 0

    async def announce() -> tuple[str, Mapping[str, float]]:
        nonlocal calls
        calls += 1
        raise OSError("no route")

    limiter = RateLimiter(60.0)
    task = await _kept(limiter, announce, triggerers=2)
    await eventually(lambda: calls >= 3)
    task.cancel()
    assert limiter.max_rate == 30.0


async def test_without_a_store_there_is_nothing_to_do() -> None:
    await LimitShare(RateLimiter(60.0), None).keep()
