"""``make chaos``: many generations through a real Airflow while everything goes wrong; what they cost."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks._table import publish
from kling_airflow.simulator import Simulator
from tests.chaos import cluster, storyboard
from tests.chaos.account import COLUMNS, ENDED, landed_indexes, settle
from tests.chaos.faults import LEFT_OUT, put_in_force, what_went_wrong
from tests.chaos.killer import ProcessKiller
from tests.chaos.others import Others
from tests.e2e.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.e2e.cluster_api import Row

SPEED = 8.0
PROGRESS_EVERY = 15.0
DEFAULTS: dict[str, tuple[float, float]] = {
    "generations": (100, 1000),
    "minutes": (60.0, 240.0),
    "kills": (20, 250),
}
"""How many clips, how long a run may take, and how many kills: without a cluster, and on one."""
UNRESOLVED = "UnresolvedSubmission"
RUN = "chaos"
KEYS = ("ours", "peer", "others")
BUYERS = {"ours": "clip.generate", "peer": "ordinary.submit"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; return 1 if a clip was bought twice or lost."""
    options = _read(arguments)
    if options.cluster:
        return cluster.main(options)
    if options.storyboard:
        return storyboard.main(options)
    accounts = [{"key": _key(name), "name": name} for name in KEYS]
    with (
        tempfile.TemporaryDirectory(prefix="kling-airflow-chaos-") as folder,
        Simulator(speed=SPEED, render="fast", seed=options.seed, accounts=accounts) as simulator,
    ):
        peer = {"conn_type": "http", "host": simulator.base_url, "extra": _headers(_key("peer"))}
        environment = {
            "CHAOS_GENERATIONS": str(options.generations),
            "AIRFLOW_CONN_QUEUE_HTTP": json.dumps(peer),
        }
        world = World(
            Path(folder),
            dags=Path(__file__).with_name("dags"),
            names=tuple(BUYERS),
            simulator=simulator,
            environment=environment,
            parallelism=options.parallelism,
        )
        with world:
            return _report(world, options, _let_loose(world, options))


def _let_loose(world: World, options: argparse.Namespace) -> list[str]:
    """Start both runs and everything that goes wrong; return what went wrong, for people.

    It returns when both runs have ended, or the time is over.
    """
    count = put_in_force(world.simulator, options.faults)
    print(f"{count} faults in force, seed {options.seed}", flush=True)
    for name in BUYERS:
        world.cluster.api.start(name, RUN, {})
    with Others(world), ProcessKiller(world, options.seed) as killer:
        _watch(world, time.monotonic() + 60 * options.minutes)
    return [what_went_wrong(world.simulator, killer, options.seed)]


def _watch(world: World, deadline: float) -> None:
    while time.monotonic() < deadline:
        # On a busy machine Airflow's API server does not always answer in time.
        with suppress(requests.Timeout):
            instances = {name: _instances(world, name) for name in BUYERS}
            landed = {name: len(landed_indexes(rows)) for name, rows in instances.items()}
            billed = sum(entry.billed for entry in world.simulator.ledger())
            print(f"{time.strftime('%H:%M:%S')}  landed: {landed}  billed: {billed} requests", flush=True)
            if all(world.cluster.api.run_state(name, RUN) in {"success", "failed"} for name in BUYERS):
                return
        time.sleep(PROGRESS_EVERY)


def _report(world: World, options: argparse.Namespace, notes: list[str]) -> int:
    orders = world.orders()
    accounts = {
        name: settle(
            [f"{name} {number}: the rocket rises" for number in range(options.generations)],
            orders,
            instances := _instances(world, name),
            buyer=buyer,
            unresolved=_unresolved(world, name, buyer, instances),
        )
        for name, buyer in BUYERS.items()
    }
    publish(
        "chaos",
        f"{options.generations} clips through a real Airflow while everything goes wrong",
        COLUMNS,
        [accounts["ours"].row("this package"), accounts["peer"].row("HttpOperator, HttpSensor")],
        notes=[*notes, f"Faults left out, as nothing could land: {', '.join(sorted(LEFT_OUT))}."],
    )
    return 1 if accounts["ours"].bought_twice or accounts["ours"].lost else 0


def _unresolved(world: World, name: str, buyer: str, instances: Sequence[Row]) -> frozenset[int]:
    """Return the map indexes that still run, or have asked a person with all that is known."""
    logs = world.folder / "airflow" / "logs" / f"dag_id={name}" / f"run_id={RUN}" / f"task_id={buyer}"

    def asks_a_person(row: Row) -> bool:
        log = logs / f"map_index={row['map_index']}" / f"attempt={row['try_number']}.log"
        return row["state"] == "failed" and log.exists() and UNRESOLVED in log.read_text(errors="replace")

    return frozenset(
        row["map_index"]
        for row in instances
        if row["state"] not in ENDED or (row["task_id"] == buyer and asks_a_person(row))
    )


def _instances(world: World, name: str) -> list[Row]:
    """Return a run's task instances, however many: the API gives them a page at a time."""
    return world.cluster.api.all_instances(name, RUN)


def _headers(key: str) -> dict[str, str]:
    """Return the headers that the HTTP provider's connection sends."""
    return {"Authorization": f"Bearer {key}"}


def _key(name: str) -> str:
    return f"gmi-{name}-key"


def _read(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    for name, default, about in (
        ("--faults", 0.2, "share of the calls that something happens to"),
        ("--seed", 1, "decides what goes wrong"),
        ("--parallelism", 8, "tasks that run at a time"),
        ("--storyboard", 0, "instead: one storyboard of so many shots, killed at random moments, no faults"),
    ):
        parser.add_argument(name, type=type(default), default=default, metavar="N", help=about)
    parser.add_argument(
        "--cluster", action="store_true", help="instead: on eight machines, each of which is hurt (root)"
    )
    for name, about in (
        ("generations", "how many clips"),
        ("minutes", "at most; what still runs then is unresolved"),
        ("kills", "of a storyboard's task, worker and triggerers, or of all parts of a cluster"),
    ):
        alone, on_cluster = DEFAULTS[name]
        says = f"{about} (default: {alone}, on a cluster {on_cluster})"
        parser.add_argument(f"--{name}", type=type(alone), default=argparse.SUPPRESS, metavar="N", help=says)
    options = parser.parse_args(arguments)
    usual = {name: pair[options.cluster] for name, pair in DEFAULTS.items()}
    return argparse.Namespace(**usual | vars(options))


if __name__ == "__main__":
    sys.exit(main())
