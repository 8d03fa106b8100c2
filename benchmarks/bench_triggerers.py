"""Thousands of deferred waits over two real triggerers on Postgres, one of which is killed half way.

No worker runs while it is measured: a wait counts as noticed when its event is in the database, where the
scheduler finds it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks._table import publish
from benchmarks.bench_triggerer import BLOCKED, Database, until
from benchmarks.waiting import queue
from kling_airflow.simulator import Simulator
from tests.e2e.cluster import Cluster, Part

ROOT = Path(__file__).parents[1]
DAGS = Path(__file__).parent / "waiting" / "dags"
DAG_ID = "deferred"
KILLED, OTHER = "triggerer-a", "triggerer-b"
COLUMNS = ["waits", "count", "p50 s", "p99 s", "max s", "not noticed"]


@dataclass
class Usage:
    """What a triggerer's processes have used.

    :param cpu: seconds.
    :param memory: MB that only they hold.
    """

    cpu: float = 0.0
    memory: float = 0.0

    @classmethod
    def of(cls, part: Part) -> Usage:
        """Return what a part and its children have used until now."""
        running = part._process  # noqa: SLF001 -- the cluster has no public process
        assert running is not None
        found, top = cls(), psutil.Process(running.pid)
        for process in [top, *top.children(recursive=True)]:
            with suppress(psutil.Error):
                found.cpu += sum(process.cpu_times()[:2])
                found.memory += process.memory_full_info().uss / 1e6
        return found


class Waits:
    """The waits of the run, as the database has them.

    :param url: of the database, as SQLAlchemy takes it.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def held(self) -> dict[str, set[int]]:
        """Return the map indexes that wait in each triggerer; under "" those that no triggerer has."""
        query = (
            "select ti.map_index, coalesce(j.unixname, '') from task_instance ti"
            " join trigger t on t.id = ti.trigger_id left join job j on j.id = t.triggerer_id"
            " where ti.dag_id = :d and ti.state = 'deferred'"
        )
        found: dict[str, set[int]] = {}
        for map_index, name in self._database._rows(query, DAG_ID):  # noqa: SLF001
            found.setdefault(str(name), set()).add(int(map_index))
        return found

    def noticed(self) -> dict[int, float]:
        """Return when each event came, by map index, in Unix seconds."""
        query = (
            "select map_index, extract(epoch from scheduled_dttm) from task_instance"
            " where dag_id = :d and state <> 'deferred'"
        )
        return {int(row[0]): float(row[1]) for row in self._database._rows(query, DAG_ID)}  # noqa: SLF001


def measure(options: argparse.Namespace, folder: Path) -> tuple[list[list[Any]], list[str]]:
    """Measure; return the table's rows and notes."""
    with Simulator(render="fast", speed=1e-3, submit_seconds=0.0) as simulator:
        requests = queue.create(simulator, options.waiting)
        ids = [request.request_id for request in requests]
        asked = {"model": queue.MODEL, "interval": options.interval, DAG_ID: ids[:1]}
        (folder / "requests.json").write_text(json.dumps(asked | {"killed": [], "rescheduled": []}))
        environment = {
            "AIRFLOW_CONN_GMI_CLOUD_DEFAULT": simulator.connection,
            "BENCH_REQUESTS": str(folder / "requests.json"),
            "AIRFLOW__TRIGGERER__CAPACITY": str(options.waiting),
            # Airflow's own defaults: they say when a triggerer counts as dead.
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "5",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "30",
        }
        cluster = Cluster(folder, dags=DAGS, environment=environment, triggerers=(KILLED, OTHER))
        with cluster:
            waits = Waits(cluster.database.url)
            seconds = _defer(cluster, waits, ids)
            return _measured(cluster, simulator, waits, requests, options, seconds)


def _defer(cluster: Cluster, waits: Waits, ids: list[str]) -> float:
    """Let all wait, one deferred by a worker; return the seconds until the triggerers had the copies."""
    until(lambda: _there(cluster), 180)
    cluster.api.unpause(DAG_ID)
    cluster.api.start(DAG_ID, "bench", {})
    until(lambda: bool(waits.held()), 180)
    cluster.scheduler.stop()
    began = time.time()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.waiting.deferrals", DAG_ID],
        input=json.dumps(ids[1:]), text=True, check=True, cwd=ROOT,
        env=cluster._environment | {"PYTHONPATH": str(ROOT)},  # noqa: SLF001
    )  # fmt: skip
    until(lambda: sum(len(held) for name, held in waits.held().items() if name) == len(ids), 1800)
    return time.time() - began


def _measured(
    cluster: Cluster,
    simulator: Simulator,
    waits: Waits,
    requests: list[Any],
    options: argparse.Namespace,
    taken: float,
) -> tuple[list[list[Any]], list[str]]:
    time.sleep(2 * options.interval)  # the first looks of all are over
    before = {name: Usage.of(part) for name, part in cluster.triggerers.items()}
    calls, began = Counter(simulator.calls()), time.time()
    by_id = queue.begin(simulator, requests, options.first, options.last)
    ends = [by_id[request.request_id] for request in requests]
    killed_at = sorted(ends)[len(ends) // 2]
    until(lambda: time.time() > killed_at, options.last + 60)
    first = Usage.of(cluster.triggerers[KILLED])
    moved = waits.held().get(KILLED, set())
    cluster.triggerers[KILLED].kill()
    killed_at = time.time()
    # What the killed one held has another owner, or is noticed, and nothing has none.
    until(lambda: not moved & waits.held().get(KILLED, set()) and not waits.held().get(""), 600)
    recovered = time.time() - killed_at
    patience = options.last + 20 * options.interval
    with suppress(SystemExit):
        until(lambda: len(waits.noticed()) == len(ends), patience)
    window, noticed = max(ends) - began, waits.noticed()
    made = Counter(simulator.calls()) - calls
    kinds = ", ".join(f"{count:,} {call}" for call, count in made.most_common())
    last = Usage.of(cluster.triggerers[OTHER])
    cpu = first.cpu - before[KILLED].cpu + last.cpu - before[OTHER].cpu
    blocks = [float(found) for found in BLOCKED.findall((cluster.home / f"{OTHER}.log").read_text())]
    groups = {
        "all": set(range(len(ends))),
        "in the triggerer that went on": set(range(len(ends))) - moved,
        "in the one that was killed": moved,
    }
    by_polling = len(ends) * window / 2 / options.interval
    longest = f", the longest {max(blocks):.2f} s" if blocks else ""
    notes = f"""\
The two had all waits {taken:.0f} s after the rows were there.
The killed one held {len(moved):,}; {recovered:.0f} s later the other had them (Airflow's threshold is 30 s).
Calls: {made.total():,} in {window:.0f} s: {kinds}.
Looks by id every {options.interval:g} s would be {by_polling:,.0f}.
CPU of both with all their processes: {cpu:.1f} s, {cpu / window:.3f} of a core.
Memory: {first.memory:.0f} and {last.memory:.0f} MB.
Blocks of the event loop that Airflow counted: {len(blocks)}{longest}.
Noticed: from the end in the queue to the event in the database."""
    return [_row(name, group, ends, noticed) for name, group in groups.items()], notes.splitlines()


def _row(name: str, group: set[int], ends: list[float], noticed: dict[int, float]) -> list[Any]:
    late = sorted(max(0.0, noticed[at] - ends[at]) for at in group if at in noticed)
    parts = [late[min(len(late) - 1, int(len(late) * part))] if late else None for part in (0.5, 0.99, 1)]
    return [name, len(group), *parts, len(group) - len(late)]


def _there(cluster: Cluster) -> bool:
    with suppress(Exception):
        return bool(cluster.api.has_dag(DAG_ID))
    return False


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_triggerers", description=__doc__)
    parser.add_argument("--waiting", type=int, default=10_000, help="deferred waits (default 10,000)")
    parser.add_argument("--interval", type=float, default=10.0)
    parser.add_argument("--first", type=float, default=30.0, help="seconds until the first clip is done")
    parser.add_argument("--last", type=float, default=240.0, help="seconds until the last clip is done")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kling-bench-") as folder:
        rows, notes = measure(options, Path(folder))
    publish(
        "triggerers",
        f"{options.waiting:,} waits, two triggerers, one killed half way: looks every {options.interval:g} s",
        COLUMNS,
        rows,
        notes=notes,
    )


if __name__ == "__main__":
    main()
