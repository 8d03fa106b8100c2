"""Many clips on a cluster whose machines are killed, cut off and filled: ``make chaos ARGS="--cluster"``."""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from benchmarks._table import publish
from tests.chaos.account import COLUMNS, Account
from tests.chaos.faults import LEFT_OUT, put_in_force, what_went_wrong
from tests.chaos.machine_killer import MachineKiller
from tests.chaos.others import Others
from tests.chaos.storyboard import settle_board
from tests.cluster.celery_cluster import BUCKET, WORKERS
from tests.cluster.network import why_not
from tests.cluster.world import KEYS, ClusterWorld

if TYPE_CHECKING:
    from collections.abc import Sequence

SPEED = 8.0
MAPPED_SHARE = 0.2
"""Share of the clips that are tasks of their own; the others are shots of storyboards."""
BOARD_SHOTS = 100
"""Shots of a storyboard, at most."""
IN_FLIGHT = 25
"""Requests of a storyboard in the queue at a time."""
FAILING = 0.02
"""Share of the requests that fail for good, and are not billed."""
CLOCKS = dict(zip(WORKERS, (5.0, -300.0), strict=True))
"""The workers' clocks differ by five minutes. None is fast by minutes: Airflow 3.3.2 counts `retry_delay`
from the end of a try by the worker's clock, so a fast worker's tasks would wait for their next try."""
PROGRESS_EVERY = 15.0
ENDED = frozenset({"success", "failed"})
DAGS = Path(__file__).parents[1] / "cluster" / "dags"
SETTINGS = {
    # Each of the two schedulers may have so many tasks in the broker and on the workers.
    "AIRFLOW__CORE__PARALLELISM": "12",
    # If a worker dies, Celery delivers the messages that it has read and not begun again after a day. The
    # scheduler queues such a task again after these seconds (600 by default), here however often.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "90",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
    "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "1000",
}


@dataclass(frozen=True)
class Ordered:
    """A run of a DAG, and what it asks for.

    :param prompts: of its clips; no two are the same.
    """

    dag_id: str
    run_id: str
    prompts: tuple[str, ...]


def main(options: argparse.Namespace) -> int:
    """Run it; return 1 unless each clip landed and was billed once, or failed unbilled, and all was hurt."""
    if reason := why_not():
        print(f"No cluster here: {reason}.", flush=True)
        return 1
    planned = plan(options.generations)
    with (
        tempfile.TemporaryDirectory(prefix="kling-airflow-chaos-") as folder,
        ClusterWorld(
            Path(folder),
            dags=DAGS,
            environment=SETTINGS | {"CLUSTER_CLIPS": str(len(planned[0].prompts))},
            clocks=CLOCKS,
            speed=SPEED,
            render="fast",
            seed=options.seed,
        ) as world,
    ):
        began = time.monotonic()
        killer, notes = _let_loose(world, planned, options)
        account = _settle(world, planned, time.monotonic() - began)
        if not account.balances:
            _explain(world, planned)
    if killer.missing:
        notes.append(f"Never struck: {', '.join(sorted(killer.missing))}.")
    publish(
        "chaos_cluster",
        f"{options.generations} clips on an Airflow of eight machines while everything goes wrong",
        COLUMNS,
        [account.row("this package")],
        notes=notes,
    )
    return 0 if account.balances and not killer.missing else 1


def plan(generations: int) -> list[Ordered]:
    """Share the clips out: first the run whose clips are mapped tasks, then the storyboards."""
    mapped = max(1, round(MAPPED_SHARE * generations))
    shots = max(1, generations - mapped)
    boards = math.ceil(shots / BOARD_SHOTS)
    sizes = [shots // boards + (number < shots % boards) for number in range(boards)]
    runs = [Ordered("clips", "chaos", tuple(f"clip {number}: the rocket rises" for number in range(mapped)))]
    for number, size in enumerate(sizes):
        prompts = tuple(f"board {number}, shot {shot}: the rocket rises" for shot in range(size))
        runs.append(Ordered("board", f"chaos-{number}", prompts))
    return runs


def _let_loose(
    world: ClusterWorld, planned: Sequence[Ordered], options: argparse.Namespace
) -> tuple[MachineKiller, list[str]]:
    """Start the runs and everything that goes wrong; return the killer, and what went wrong, for people.

    It returns when all runs have ended, or the time is over.
    """
    count = put_in_force(world.simulator, options.faults)
    world.simulator.faults.add("failed", probability=FAILING)
    print(f"{count + 1} faults in force, seed {options.seed}", flush=True)
    for run in planned:
        if run.dag_id == "board":
            world.put(f"boards/{run.run_id}.json", _board(run))
        world.start(run.dag_id, run.run_id, **({"in_flight": IN_FLIGHT} if run.dag_id == "board" else {}))
    killer = MachineKiller(world, options.seed, options.kills)
    with Others(world), killer:
        _watch(world, planned, killer, time.monotonic() + 60 * options.minutes)
    left_out = ", ".join(sorted(set(LEFT_OUT) - {"failed"}))
    return killer, [
        what_went_wrong(world.simulator, killer, options.seed),
        f"{killer.revived} parts of Airflow ended by themselves meanwhile, and were started again.",
        f"{len(planned[0].prompts)} clips are mapped tasks, the others of {len(planned) - 1} storyboards.",
        f"One request in {1 / FAILING:.0f} fails for good. Faults left out: {left_out}.",
    ]


def _board(run: Ordered) -> bytes:
    shots = [
        {"name": f"s{number}", "frame": f"s3://{BUCKET}/stills/rocket.png", "prompt": prompt, "duration": 3}
        for number, prompt in enumerate(run.prompts)
    ]
    return json.dumps(shots).encode()


def _watch(world: ClusterWorld, planned: Sequence[Ordered], killer: MachineKiller, deadline: float) -> None:
    while time.monotonic() < deadline and killer.is_alive():
        billed = sum(entry.billed and entry.key_name == KEYS[0] for entry in world.simulator.ledger())
        states = [_state(world, run) for run in planned]
        print(
            f"{time.strftime('%H:%M:%S')}  landed: {len(_sidecars(world))}  billed: {billed} requests  "
            f"runs: {', '.join(states)}  killed: {killer.killed.total()}, revived: {killer.revived}",
            flush=True,
        )
        if set(states) <= ENDED:
            return
        time.sleep(PROGRESS_EVERY)


def _state(world: ClusterWorld, run: Ordered) -> str:
    """Return a run's state, or that it is not known: the API server, or its database, may be away."""
    with suppress(requests.RequestException, AssertionError):
        return world.cluster.api.run_state(run.dag_id, run.run_id)
    return "?"


def _sidecars(world: ClusterWorld) -> set[str]:
    """Return the keys of the sidecars of the clips that are there."""
    keys = world.keys("clips/")
    return {key for key in keys if key.endswith(".json") and f"{key.removesuffix('.json')}.mp4" in keys}


def _landed(world: ClusterWorld) -> set[str]:
    """Return the request ids of the clips that are there, as the sidecars say."""
    return {str(json.loads(world.read(key))["request_id"]) for key in _sidecars(world)}


def _settle(world: ClusterWorld, planned: Sequence[Ordered], seconds: float) -> Account:
    going_on = [run for run in planned if _state(world, run) not in ENDED]
    instances = [row for run in planned for row in world.cluster.api.all_instances(run.dag_id, run.run_id)]
    return settle_board(
        [prompt for run in planned for prompt in run.prompts],
        world.orders(),
        _landed(world),
        tries=sum(row["try_number"] for row in instances if not row["task_id"].endswith("land")),
        seconds=seconds,
        unresolved=frozenset(prompt for run in going_on for prompt in run.prompts),
    )


def _explain(world: ClusterWorld, planned: Sequence[Ordered]) -> None:
    """Say of each clip that is not as it should be what was billed, and keep all logs of all tasks."""
    landed, orders = _landed(world), world.orders()
    for prompt in (prompt for run in planned for prompt in run.prompts):
        paid = [entry for entry in orders.get(prompt, ()) if entry.billed]
        there = [entry.request_id for entry in paid if entry.request_id in landed]
        if len(paid) != len(there):
            print(f"{prompt}: billed {[entry.request_id for entry in paid]}, landed {there}")
    kept = Path(tempfile.mkdtemp(prefix="kling-airflow-chaos-logs-"))
    for key in world.keys("logs/"):
        (kept / key).parent.mkdir(parents=True, exist_ok=True)
        (kept / key).write_bytes(world.read(key))
    shutil.copytree(world.cluster.home / "logs", kept / "machines")
    print(f"The logs are kept: {kept}", flush=True)
