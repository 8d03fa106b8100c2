"""A day of 100,000 clips with bursts and outages: real poller, ledger and rate limiter, without sleeping."""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from benchmarks._table import publish
from benchmarks.day.simulation import Day, simulate

COLUMNS = [
    "clips", "simulated h", "real s", "waiting at most", "lag p50 s", "p99 s", "max s", "max with outages s",
    "list calls", "calls by id", "most a second", "ledger operations per clip", "peak MB", "lost answers",
    "killed workers", "ended", "bought twice", "lost",
]  # fmt: skip


def part(values: list[float], which: float) -> float | None:
    """Return a quantile; None without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(which * len(ordered)))] if ordered else None


def main() -> None:
    """Simulate a day and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_day", description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[2_000], metavar="N", help="(default 2,000)")
    parser.add_argument("--hours", type=float, default=24.0, help="length of the day (default 24)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = []
    for clips in options.clips:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="kling-day-") as folder:
            day = Day(clips, seconds=options.hours * 3600, burst=max(1, clips // 100), seed=options.seed)
            found = simulate(day, Path(folder))
        rows.append(
            [
                clips,
                found.simulated / 3600,
                time.monotonic() - began,
                found.most_waiting,
                part(found.lags_in_order, 0.5),
                part(found.lags_in_order, 0.99),
                max(found.lags_in_order, default=None),
                max(found.lags, default=None),
                found.calls["list"],
                found.calls["id"],
                found.most_calls_in_a_second,
                round(found.ledger_operations / clips, 2),
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
                found.lost_answers,
                found.killed_workers,
                ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.ends.items())),
                found.bought_twice,
                found.lost,
            ]
        )
    publish(
        "day",
        "A day in simulated time, a look every 10 s, 50 calls a second at most",
        COLUMNS,
        rows,
        notes=[
            "A fifth of the clips comes in bursts, each of a hundredth of all clips in the same second.",
            "The queue is away for 10 min, answers 503 for 5 min, and 429 for 5 min.",
            "One in 200 answers to a submission is lost, and one in 200 workers is killed after the POST.",
            "Lag: from the end in the queue to the waiter's return; without ends around outages.",
            "Memory: of the whole process, with the simulated queue's records of all clips.",
        ],
    )


if __name__ == "__main__":
    main()
