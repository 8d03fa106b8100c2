"""Seconds from the end of a request to the success of its task, and the cost, in a real Airflow on Postgres.

The tasks wait deferred in one triggerer; deferred with a triggerer that is killed half way; and on workers
with ``mode="reschedule"``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import threading
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks._table import publish
from benchmarks.waiting import queue
from kling_airflow.simulator import Simulator
from tests.e2e.cluster import Cluster, Part

DAGS = Path(__file__).parent / "waiting" / "dags"
OVER = re.compile(r"The wait for request (\S+) is over")
BLOCKED = re.compile(r"async thread was blocked for ([\d.]+)")
WAYS = {
    "deferred": "deferred",
    "killed": "deferred, triggerer killed",
    "rescheduled": '`mode="reschedule"`',
}
COLUMNS = [
    "sensors", "clips", "all waiting after s", "calls", "worker CPU s each", "slot s each",
    "noticed p50 s", "p99 s", "max s", "succeeded p50 s", "max s ", "lost",
]  # fmt: skip


def measure(options: argparse.Namespace, folder: Path) -> tuple[list[list[Any]], list[str]]:
    """Measure every way in one cluster; return the table's rows and notes."""
    blocks: list[float] = []
    with Simulator(render="fast", speed=1e-3, submit_seconds=0.0) as simulator:
        ways = {"deferred": options.waiting, "killed": options.killed, "rescheduled": options.rescheduled}
        requests = {way: queue.create(simulator, count) for way, count in ways.items() if count}
        asked: dict[str, Any] = {way: [] for way in ways} | {
            "model": queue.MODEL,
            "interval": options.interval,
        }
        asked |= {way: [request.request_id for request in found] for way, found in requests.items()}
        (folder / "requests.json").write_text(json.dumps(asked))
        environment = {
            "AIRFLOW_CONN_GMI_CLOUD_DEFAULT": simulator.connection,
            "BENCH_REQUESTS": str(folder / "requests.json"),
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "2000",
            "AIRFLOW__CORE__MAX_MAP_LENGTH": "5000",
        }
        cluster = Cluster(
            folder,
            dags=DAGS,
            environment=environment,
            triggerers=("triggerer-a",),
            parallelism=options.parallelism,
        )
        with cluster:
            rows = [_row(cluster, simulator, way, found, options, blocks) for way, found in requests.items()]
            blocks += blocks_of(cluster)
            notes = [
                f"The triggerer counted {len(blocks)} blocks of its event loop"
                + (f", the longest of {max(blocks):.2f} s." if blocks else "."),
                "A triggerer counts as dead after 10 s here; Airflow's default is 30 s.",
                "Noticed: from the end in the queue to the trigger's event; ours.",
                "Succeeded: from the end in the queue to the task's end in the database.",
                "Worker CPU: of the scheduler and everything it started, for the whole run, per clip.",
                "Slot: the time for which a task of the clip was running, and held a worker's slot.",
                "Lost: clips that ended, and whose task did not succeed.",
            ]
    return rows, notes


def blocks_of(cluster: Cluster) -> list[float]:
    """Return the seconds of each block of the event loop in the triggerer's log."""
    return [float(found) for found in BLOCKED.findall(_text(cluster.home / "triggerer-a.log"))]


def _row(
    cluster: Cluster,
    simulator: Simulator,
    way: str,
    requests: list[Any],
    options: argparse.Namespace,
    blocks: list[float],
) -> list[Any]:
    """Start a run, let the requests end when all tasks wait, and return the figures.

    :param blocks: receives the blocks of a triggerer that is killed, because its log is overwritten.
    """
    api, run, database = cluster.api, f"bench-{way}", Database(cluster.database.url)
    until(lambda: _there(api, way), 180)
    api.unpause(way)
    before, began, slots = cpu_of(cluster.scheduler), time.time(), Slots(database, way)
    api.start(way, run, {})
    slots.start()
    if way == "rescheduled":  # some tasks sleep while others look
        until(lambda: database.started(way) == len(requests), options.longest)
    else:
        until(lambda: database.count(way, "deferred") >= 0.9 * len(requests), options.longest)
    started = time.time() - began
    ends = queue.begin(simulator, requests, options.first, options.last)
    calls = sum(simulator.calls().values())
    if way == "killed":
        half = sorted(ends.values())[len(ends) // 2]
        until(lambda: time.time() > half, options.last)
        (triggerer,) = cluster.triggerers.values()
        blocks += blocks_of(cluster)
        triggerer.kill()
        triggerer.start()
    until(lambda: api.run_state(way, run) in {"success", "failed"}, options.last + options.longest)
    slots.stop()
    spent = cpu_of(cluster.scheduler) - before
    done = database.ends(way)
    late = sorted(done[at] - ends[request.request_id] for at, request in enumerate(requests) if at in done)
    noticed = sorted(events(cluster.home / "airflow" / "logs", ends).values()) if way != "rescheduled" else []
    return [
        WAYS[way], len(requests), round(started), sum(simulator.calls().values()) - calls,
        spent / len(requests), slots.seconds / len(requests),
        _part(noticed, 0.5), _part(noticed, 0.99), _part(noticed, 1), _part(late, 0.5), _part(late, 1),
        len(requests) - len(late),
    ]  # fmt: skip


class Slots(threading.Thread):
    """Seconds for which a run's tasks hold worker slots, measured four times a second.

    :param database: the database with the tasks' states.
    :param dag_id: the DAG of the tasks.
    """

    def __init__(self, database: Database, dag_id: str) -> None:
        super().__init__(daemon=True)
        self.seconds = 0.0
        self._database = database
        self._dag_id = dag_id
        self._over = threading.Event()

    def run(self) -> None:
        """Read the states until stopped."""
        last = time.monotonic()
        while not self._over.wait(0.25):
            running, now = self._database.count(self._dag_id, "running"), time.monotonic()
            self.seconds += running * (now - last)
            last = now

    def stop(self) -> None:
        """Stop reading the states."""
        self._over.set()
        self.join()


class Database:
    """Reads the task instances of a run.

    :param url: as SQLAlchemy takes it.
    """

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine

        self._engine = create_engine(url)

    def count(self, dag_id: str, state: str) -> int:
        """Return how many mapped sensors are in a state."""
        query = "select count(*) from task_instance where dag_id = :d and state = :s"
        return int(self._rows(query, dag_id, state)[0][0])

    def started(self, dag_id: str) -> int:
        """Return how many mapped sensors have started at least once."""
        query = "select count(*) from task_instance where dag_id = :d and start_date is not null"
        return int(self._rows(query, dag_id)[0][0])

    def ends(self, dag_id: str) -> dict[int, float]:
        """Return the ends of the sensors that have succeeded, by map index, in Unix seconds."""
        query = (
            "select map_index, extract(epoch from end_date) from task_instance"
            " where dag_id = :d and state = 'success'"
        )
        return {int(row[0]): float(row[1]) for row in self._rows(query, dag_id)}

    def rows(self) -> int:
        """Return how many rows all tables have together."""
        query = "select table_name from information_schema.tables where table_schema = 'public' and :d = :d"
        tables = [str(row[0]) for row in self._rows(query, "")]
        return sum(
            int(self._rows(f'select count(*) from "{each}" where :d = :d', "")[0][0]) for each in tables
        )

    def _rows(self, query: str, dag_id: str, state: str = "") -> list[Any]:
        from sqlalchemy import text

        with self._engine.connect() as connection:
            values = {"d": dag_id} | ({"s": state} if state else {})
            return list(connection.execute(text(query), values))


def events(logs: Path, ends: dict[str, float]) -> dict[str, float]:
    """Return the seconds between each request's end and its trigger's event, read from the task logs."""
    found: dict[str, float] = {}
    for file in logs.rglob("*.log*"):
        for line in _text(file).splitlines():
            if match := OVER.search(line):
                with suppress(ValueError):  # a triggerer that was killed leaves half a line
                    late = _seconds(json.loads(line)["timestamp"]) - ends.get(match[1], 0.0)
                    found |= {match[1]: max(late, found.get(match[1], late))} if match[1] in ends else {}
    return found


def cpu_of(part: Part) -> float:
    """Return the CPU seconds of a part of Airflow and of every process that it has started."""
    running = part._process  # noqa: SLF001 -- the cluster has no public process
    assert running is not None
    top, total = psutil.Process(running.pid), 0.0
    for process in [top, *top.children(recursive=True)]:
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


def until(holds: Any, seconds: float) -> None:
    """Wait until a condition holds.

    :raises SystemExit: if it does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds:.0f} s")
        time.sleep(0.5)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_triggerer", description=__doc__)
    parser.add_argument("--waiting", type=int, default=300, help="deferred sensors (default 300)")
    parser.add_argument("--killed", type=int, default=60, help="the same, triggerer killed (default 60)")
    parser.add_argument("--rescheduled", type=int, default=50, help="rescheduled sensors (default 50)")
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--first", type=float, default=15.0, help="seconds until the first clip is done")
    parser.add_argument("--last", type=float, default=120.0, help="seconds until the last clip is done")
    parser.add_argument("--parallelism", type=int, default=4, help="tasks at a time")
    parser.add_argument("--longest", type=float, default=1800.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kling-bench-") as folder:
        rows, notes = measure(options, Path(folder))
    publish(
        "triggerer",
        f"A real triggerer: a look every {options.interval:g} s, ends over {options.last:g} s",
        COLUMNS,
        rows,
        notes=notes,
    )


def _there(api: Any, dag_id: str) -> bool:
    try:
        return bool(api.has_dag(dag_id))
    except Exception as error:
        print(error, file=sys.stderr)
        return False


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _part(values: list[float], part: float) -> float | None:
    """Return a quantile of sorted values; None without values."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else None


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    main()
