"""Cost of waiting for thousands of requests in the triggerer's process, in five ways, against one queue."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks._table import publish

WAYS = {
    "ours": "ours, lists shared",
    "ours-by-id": "ours, by id only",
    "session-per-poll": "a session per poll",
    "to-thread": "asyncio.to_thread",
    "bare": "floor: bare GETs",
}
COLUMNS = [
    "waiting", "way", "calls", "CPU s", "peak MB", "KB each", "sockets", "block s",
    "lag p50 s", "p99 s", "max s", "missed", "late",
]  # fmt: skip
Cost = dict[str, tuple[int, float]]
"""By way: calls and CPU seconds."""
HERE = Path(__file__).parent.parent


@dataclass
class Peak:
    """Highest memory and number of sockets of a process."""

    process: psutil.Process
    resident: int = 0
    sockets: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Read both ten times a second until stopped."""
        while not self._stop.wait(0.1):
            try:
                self.resident = max(self.resident, self.process.memory_info().rss)
                self.sockets = max(self.sockets, _sockets(self.process.pid))
            except (psutil.Error, OSError):
                return

    def stop(self) -> None:
        """Stop reading."""
        self._stop.set()


def measure(way: str, count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one row: a queue and a waiting process, each on its own core if there are two."""
    first, last = options.interval, options.window - options.interval - 3
    with _spawn("benchmarks.waiting.queue", str(count), str(first), str(last), core=1) as queue:
        about = _read(queue)
        address = {"BENCH_URL": about["base_url"], "BENCH_KEY": about["key"]}
        connection = {"conn_type": "gmi_cloud", "host": about["base_url"], "password": about["key"]}
        extra = {"extra": {"max_calls_per_second": 10_000}}
        address["AIRFLOW_CONN_BENCH"] = json.dumps(connection | extra)
        with _spawn("benchmarks.waiting.row", core=0, environment=address) as row:
            plan = {"way": way, "ids": about["ids"], "model": about["model"], "interval": options.interval}
            _write(row, json.dumps(plan | {"window": options.window, "ramp": options.interval}))
            assert _line(row) == "ready"
            before_calls = _calls(queue)
            process = psutil.Process(row.pid)
            before, peak = process.memory_info().rss, Peak(process)
            _write(queue, "begin")
            ends: dict[str, float] = _read(queue)
            watcher = threading.Thread(target=peak.watch, daemon=True)
            watcher.start()
            _write(row, "go")
            result = _read(row)
            peak.stop()
            watcher.join()
        calls = _calls(queue) - before_calls
    lags = sorted(at - ends[request_id] for request_id, at in result["seen"].items())
    return {
        "calls": calls,
        "cpu": result["cpu"],
        "peak": peak.resident / 1e6,
        "each": (peak.resident - before) / 1e3 / max(1, count),
        "sockets": peak.sockets,
        "block": result["block"],
        "lags": lags,
        "missed": count - len(lags),
        "late": sum(lag > options.interval + 1 for lag in lags),
    }


def main() -> None:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_waiting", description=__doc__)
    parser.add_argument("--waiting", type=int, nargs="+", default=[100, 1000, 10_000], metavar="N")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two looks (default 10)")
    parser.add_argument(
        "--repeat", type=int, default=1, metavar="N", help="runs, one after the other (default 1)"
    )
    parser.add_argument("--window", type=float, default=120.0, help="seconds measured (default 120)")
    options = parser.parse_args()
    if options.window < 2 * options.interval + 5:
        parser.error("--window is too short for requests to end in it and be noticed")
    busy = psutil.cpu_percent(interval=2.0)
    rows: list[list[Any]] = []
    runs: list[tuple[int, Cost]] = []
    for count in options.waiting:
        for run in range(options.repeat):
            cost: Cost = {}
            runs.append((count, cost))
            for way in options.ways:
                print(f"{count} waiting, {WAYS[way]}, run {run + 1} ...", file=sys.stderr, flush=True)
                got = measure(way, count, options)
                cost[way] = got["calls"], got["cpu"]
                rows.append(_row(count, way, got))
    publish(
        "waiting",
        f"{options.window:g} s of waiting with a look every {options.interval:g} s",
        COLUMNS,
        rows,
        notes=[
            "Calls: HTTP calls the queue got. CPU: of the waiting process; the queue runs on another core.",
            "Block: the longest time between two calls of the event loop's selector.",
            "Lag: from the end in the queue to the event.",
            "Late: noticed more than an interval and 1 s after the end. Missed: not noticed in the window.",
            f"Triggers start over the first {options.interval:g} s, a turn each second; no rate limit.",
            *_ratios(runs),
            f"CPU in use before the run: {busy:.0f} %; load at the end: {os.getloadavg()[0]:.1f}.",
        ],
    )


def _ratios(runs: list[tuple[int, Cost]]) -> list[str]:
    """Return how many times less ours costs than the usual trigger, for each run that measured both."""
    return [
        f"At {count:,} ours makes {usual[0] / ours[0]:.0f} times fewer calls than a session per poll,"
        f" and takes {usual[1] / ours[1]:.1f} times less CPU."
        for count, cost in runs
        if (ours := cost.get("ours")) and (usual := cost.get("session-per-poll"))
    ]


def _row(count: int, way: str, got: dict[str, Any]) -> list[Any]:
    lags = got["lags"] or [float("nan")]
    p50, p99 = lags[len(lags) // 2], lags[min(len(lags) - 1, int(len(lags) * 0.99))]
    return [
        count, WAYS[way], got["calls"], f"{got['cpu']:.2f}", got["peak"], got["each"], got["sockets"],
        f"{got['block']:.2f}", p50, p99, lags[-1], got["missed"], got["late"],
    ]  # fmt: skip


def _calls(queue: subprocess.Popen[str]) -> int:
    _write(queue, "calls")
    return sum(number for name, number in _read(queue).items() if name.startswith("GET "))


def _spawn(
    module: str, *arguments: str, core: int, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=HERE,
        env=os.environ | (environment or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) >= 2:
        os.sched_setaffinity(process.pid, {core})
    return process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args!r} ended early")
    return line.strip()


def _read(process: subprocess.Popen[str]) -> Any:
    return json.loads(_line(process))


def _write(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _sockets(pid: int) -> int:
    folder = Path(f"/proc/{pid}/fd")
    if not folder.exists():
        return 0
    return sum(str(entry.readlink()).startswith("socket:") for entry in folder.iterdir())


if __name__ == "__main__":
    main()
