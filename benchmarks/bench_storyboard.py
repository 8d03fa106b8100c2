"""What forty clips cost a real Airflow on PostgreSQL: as one storyboard, and as a mapped group of tasks."""

from __future__ import annotations

import argparse
import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from benchmarks._table import publish
from benchmarks.bench_triggerer import Database, Slots, cpu_of, until
from kling_airflow.simulator import Simulator
from tests.e2e.cluster import Cluster

DAGS = Path(__file__).parent / "storyboard" / "dags"
WAYS = {"storyboard": "KlingStoryboardOperator", "mapped": "mapped group: clip, land"}
COLUMNS = [
    "way", "clips", "task instances", "worker CPU s per clip", "slot s per clip", "wall s",
    "database rows per clip", "landed", "billed",
]  # fmt: skip


def measure(options: argparse.Namespace, folder: Path, frame: Path) -> list[list[Any]]:
    """Measure both ways in one cluster; return the table's rows."""
    (folder / "out").mkdir()
    with Simulator(render="fast", speed=options.speed, submit_seconds=0.0) as simulator:
        environment = {
            "AIRFLOW_CONN_GMI_CLOUD_DEFAULT": simulator.connection,
            "AIRFLOW__KLING__ALLOWED_SOURCES": "file://",
            "AIRFLOW__KLING__ALLOWED_DESTINATIONS": "file://",
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "2000",
            "BENCH_SHOTS": str(options.shots),
            "BENCH_FRAME": frame.as_uri(),
            "BENCH_OUT": (folder / "out").as_uri(),
        }
        cluster = Cluster(
            folder,
            dags=DAGS,
            environment=environment,
            triggerers=("triggerer-a",),
            parallelism=options.parallelism,
        )
        with cluster:
            return [_row(cluster, simulator, way, options, folder / "out" / way) for way in WAYS]


def _row(
    cluster: Cluster, simulator: Simulator, way: str, options: argparse.Namespace, folder: Path
) -> list[Any]:
    """Run one way to its end, and return the figures."""
    api, run, database = cluster.api, f"bench-{way}", Database(cluster.database.url)
    until(lambda: api.has_dag(way), 180)
    simulator.reset()
    api.unpause(way)
    rows, cpu, began, slots = database.rows(), cpu_of(cluster), time.monotonic(), Slots(database, way)
    api.start(way, run, {})
    slots.start()
    until(lambda: api.run_state(way, run) in {"success", "failed"}, options.longest)
    seconds = time.monotonic() - began
    slots.stop()
    count = options.shots
    return [
        WAYS[way],
        count,
        len(database.ends(way)) if way == "storyboard" else len(api.all_instances(way, run)),
        (cpu_of(cluster) - cpu) / count,
        slots.seconds / count,
        round(seconds),
        (database.rows() - rows) / count,
        len(list(folder.glob("*.mp4"))),
        sum(entry.billed for entry in simulator.ledger()),
    ]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_storyboard", description=__doc__)
    parser.add_argument("--shots", type=int, default=40, help="(default 40)")
    parser.add_argument("--speed", type=float, default=10.0, help="of the simulator (default 10)")
    parser.add_argument("--parallelism", type=int, default=4, help="tasks at a time")
    parser.add_argument("--longest", type=float, default=1800.0)
    options = parser.parse_args()
    source = files("kling_airflow.demo") / "frames" / "rocket.jpg"
    with tempfile.TemporaryDirectory(prefix="kling-bench-") as folder, as_file(source) as frame:
        rows = measure(options, Path(folder), frame)
    publish(
        "storyboard",
        f"{options.shots} clips in a real Airflow on PostgreSQL, {options.parallelism} tasks at a time",
        COLUMNS,
        rows,
        notes=[
            "Worker CPU: of the scheduler and everything it started, for the whole run.",
            "Slot: the time for which a task was running, and held a worker's slot.",
            "Database rows: of all tables of Airflow's database, more after the run than before.",
        ],
    )


if __name__ == "__main__":
    main()
