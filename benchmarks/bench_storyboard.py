"""What a storyboard costs a real Airflow on PostgreSQL: in one task, in mapped tasks, with the HTTP provider.

The third way is a mapped group, too: ``HttpOperator``, ``HttpSensor`` and a download.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import suppress
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import psutil
import requests

from benchmarks._table import publish
from benchmarks.bench_triggerer import Database, Slots, cpu_of, until
from benchmarks.storyboard.celery import CeleryOnOneMachine
from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from tests.e2e.cluster import Cluster

DAGS = Path(__file__).parent / "storyboard" / "dags"
WAYS = {
    "storyboard": "KlingStoryboardOperator",
    "mapped": "mapped group: clip, land",
    "http": "HTTP provider: submit, wait, land",
}
EXECUTORS = {"local": "LocalExecutor", "celery": "CeleryExecutor"}
COLUMNS = [
    "way", "executor", "clips", "task instances", "worker CPU s per clip", "scheduler CPU s per clip",
    "slot s per clip", "wall s", "clips an hour", "database rows per clip", "landed", "billed",
]  # fmt: skip
COSTS = "worker CPU s per clip"
ENDED = {"success", "failed"}


def measure(options: argparse.Namespace, executor: str, folder: Path, frame: Path) -> list[list[Any]]:
    """Measure every way with every number of shots in one cluster; return the table's rows."""
    (folder / "out").mkdir(parents=True)
    with Simulator(render="fast", speed=options.speed, submit_seconds=0.0) as simulator:
        with GMIClient(simulator.api_key, simulator.base_url) as client:
            frame_url = client.upload(frame.read_bytes(), "jpg")
        headers = {"Authorization": f"Bearer {simulator.api_key}"}
        environment = {
            "AIRFLOW_CONN_GMI_CLOUD_DEFAULT": simulator.connection,
            "AIRFLOW_CONN_QUEUE_HTTP": json.dumps(
                {"conn_type": "http", "host": simulator.base_url, "extra": headers}
            ),
            "AIRFLOW__KLING__ALLOWED_SOURCES": "file://",
            "AIRFLOW__KLING__ALLOWED_DESTINATIONS": "file://",
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "2000",
            "BENCH_SHOTS": " ".join(map(str, options.shots)),
            "BENCH_FRAME": frame.as_uri(),
            "BENCH_FRAME_URL": frame_url,
            "BENCH_OUT": (folder / "out").as_uri(),
        }
        make = CeleryOnOneMachine if executor == "celery" else Cluster
        cluster = make(
            folder,
            dags=DAGS,
            environment=environment,
            triggerers=("triggerer-a",),
            parallelism=options.parallelism,
        )
        with cluster:
            return [
                _row(cluster, simulator, way, count, options, folder / "out", EXECUTORS[executor])
                for count in options.shots
                for way in options.ways
            ]


def _row(
    cluster: Cluster,
    simulator: Simulator,
    way: str,
    count: int,
    options: argparse.Namespace,
    out: Path,
    executor: str,
) -> list[Any]:
    """Run one way to its end, and return the figures."""
    dag_id, run = f"{way}-{count}", "bench"
    api, database = cluster.api, Database(cluster.database.url)
    until(lambda: api.has_dag(dag_id), 180)
    billed = sum(entry.billed for entry in simulator.ledger())
    api.unpause(dag_id)
    rows, cpu, own = database.rows(), _worker_cpu(cluster), _scheduler_cpu(cluster)
    began, slots = time.monotonic(), Slots(database, dag_id)
    api.start(dag_id, run, {})
    slots.start()
    until(lambda: _run_state(cluster, dag_id, run) in ENDED, options.longest)
    seconds = time.monotonic() - began
    slots.stop()
    row = [
        WAYS[way],
        executor,
        count,
        len(api.all_instances(dag_id, run)),
        (_worker_cpu(cluster) - cpu) / count,
        (_scheduler_cpu(cluster) - own) / count,
        slots.seconds / count,
        round(seconds),
        round(3600 * count / seconds),
        (database.rows() - rows) / count,
        len(list((out / dag_id).glob("*.mp4"))),
        sum(entry.billed for entry in simulator.ledger()) - billed,
    ]
    print(dict(zip(COLUMNS, row, strict=True)), flush=True)
    return row


def _run_state(cluster: Cluster, dag_id: str, run: str) -> str:
    """Return the run's state; nothing if the API server is too busy to answer."""
    with suppress(requests.RequestException):
        return cluster.api.run_state(dag_id, run)
    return ""


def _worker_cpu(cluster: Cluster) -> float:
    """Return the CPU seconds of the executor's workers, and of every process that they have started."""
    if isinstance(cluster, CeleryOnOneMachine):
        return cpu_of(cluster.worker)
    return cpu_of(cluster.scheduler) - _scheduler_cpu(cluster)


def _scheduler_cpu(cluster: Cluster) -> float:
    """Return the CPU seconds of the scheduler's own process."""
    running = cluster.scheduler._process  # noqa: SLF001 -- the cluster has no public process
    assert running is not None
    return sum(psutil.Process(running.pid).cpu_times()[:2])


def ratios(rows: list[list[Any]]) -> list[str]:
    """Return how much more worker CPU the other ways take per clip, a sentence for each row of the table."""
    found = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    sentences = []
    for count, executor in dict.fromkeys((row["clips"], row["executor"]) for row in found):
        group = [row for row in found if (row["clips"], row["executor"]) == (count, executor)]
        ours = [row[COSTS] for row in group if row["way"] == WAYS["storyboard"]]
        sentences += [
            f"{count} clips, {executor}: {row['way']} takes {row[COSTS] / ours[0]:.0f} times the worker CPU."
            for row in group
            if ours and row["way"] != WAYS["storyboard"]
        ]
    return sentences


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_storyboard", description=__doc__)
    parser.add_argument("--shots", type=int, nargs="+", default=[40], help="numbers of shots (default 40)")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), help="(default all)")
    parser.add_argument(
        "--executors", nargs="+", choices=list(EXECUTORS), default=["local"], help="(default local)"
    )
    parser.add_argument("--speed", type=float, default=10.0, help="of the simulator (default 10)")
    parser.add_argument("--parallelism", type=int, default=4, help="tasks at a time (default 4)")
    parser.add_argument("--longest", type=float, default=7200.0, help="seconds of a run, at most")
    options = parser.parse_args()
    source = files("kling_airflow.demo") / "frames" / "rocket.jpg"
    with tempfile.TemporaryDirectory(prefix="kling-bench-") as folder, as_file(source) as frame:
        rows = [
            row
            for executor in options.executors
            for row in measure(options, executor, Path(folder) / executor, frame)
        ]
    publish(
        "storyboard",
        f"The clips of a storyboard in a real Airflow on PostgreSQL, {options.parallelism} tasks at a time",
        COLUMNS,
        rows,
        notes=[
            *ratios(rows),
            "Worker CPU: of the executor's workers and of every process that they started, in the run.",
            "Scheduler CPU: of the scheduler's own process, in the run.",
            "Slot: the time for which a task was running, and held a worker's slot.",
            "Database rows: of all tables of Airflow's database, more after the run than before.",
            "Each way looks at a request every 10 s.",
        ],
    )


if __name__ == "__main__":
    main()
