"""Hours in seconds: the real poller, ledger and rate limiter, with a simulated clock and network."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from benchmarks.day.clock import START, VirtualLoop
from benchmarks.day.simulation import Day, Result, simulate
from benchmarks.day.store import DayStore

CLIPS = 150


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """An hour with bursts of thirty clips and three outages."""
    return simulate(Day(CLIPS, seconds=3600.0, burst=30, faults=0.1, seed=3), tmp_path_factory.mktemp("day"))


def test_no_clip_is_bought_twice_and_none_is_lost(result: Result) -> None:
    assert sum(result.ends.values()) == CLIPS
    assert (result.bought_twice, result.lost) == (0, 0)
    assert result.lost_answers + result.killed_workers > 0, "a day without a fault shows nothing"


def test_every_end_is_noticed_within_an_interval_and_a_second(result: Result) -> None:
    """Seconds of the simulated clock: a busy machine changes nothing."""
    assert len(result.lags_in_order) > CLIPS / 2
    assert min(result.lags) >= 0
    assert max(result.lags_in_order) < 11


def test_the_rate_limit_holds(result: Result) -> None:
    assert (
        0 < result.most_calls_in_a_second <= 50 * 1.2 + 8
    )  # a fifth of a second's burst, and reads under way


def test_the_same_seed_gives_the_same_purchases(result: Result, tmp_path: Path) -> None:
    again = simulate(Day(CLIPS, seconds=3600.0, burst=30, faults=0.1, seed=3), tmp_path)
    assert again.calls["submit"] == result.calls["submit"]
    assert again.ends == result.ends


def test_a_low_rate_limit_makes_looks_rarer_and_nothing_else(tmp_path: Path) -> None:
    day = Day(60, seconds=600.0, burst=60, outages=False, max_calls_per_second=0.5, seed=5)
    found = simulate(day, tmp_path)
    assert (found.bought_twice, found.lost) == (0, 0)
    assert found.most_calls_in_a_second <= 2


def test_the_clock_jumps_from_timer_to_timer() -> None:
    loop = VirtualLoop()
    began = time.monotonic()

    async def main() -> list[str]:
        order: list[str] = []

        async def after(seconds: float, name: str) -> None:
            await asyncio.sleep(seconds)
            order.append(name)

        await asyncio.gather(after(80_000, "late"), after(10, "early"), after(80_001, "last"))
        return order

    assert loop.run_until_complete(main()) == ["early", "late", "last"]
    assert loop.unix() == pytest.approx(START + 80_001)
    assert time.monotonic() - began < 80_000
    loop.close()


def test_a_simulation_without_a_timer_says_so() -> None:
    loop = VirtualLoop()
    with pytest.raises(RuntimeError, match="stand still"):
        loop.run_until_complete(loop.create_future())
    loop.close()


def test_the_store_creates_a_file_only_once(tmp_path: Path) -> None:
    store = DayStore(tmp_path / "store.sqlite")
    store.pipe_file("bucket/a/b", b"1", mode="create")
    with pytest.raises(FileExistsError):
        store.pipe_file("bucket/a/b", b"2", mode="create")
    assert store.cat_file("bucket/a/b") == b"1"
    assert store.ls("bucket") == ["bucket/a"]
    with pytest.raises(FileNotFoundError):
        store.cat_file("bucket/a")
