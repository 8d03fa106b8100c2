"""``make cluster``: an Airflow on eight machines, all of them in this one, with the simulator beside it."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from kling_airflow.demo.cluster import USERNAME
from tests.cluster.celery_cluster import BUCKET
from tests.cluster.network import why_not
from tests.cluster.world import ClusterWorld

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".cluster"
DAGS = Path(__file__).with_name("dags")
PATIENCE = 120.0


def main(arguments: list[str] | None = None) -> int:
    """Bring the cluster up and keep it until it is ended, or take down the one that is up."""
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("up", "down"), default="up")
    parser.add_argument("--concurrency", type=int, default=4, help="tasks that a worker runs at a time")
    parser.add_argument("--speed", type=float, default=8.0, help="of the simulator")
    options = parser.parse_args(arguments)
    if options.what == "down":
        return _down()
    if reason := why_not():
        print(f"No cluster here: {reason}.", file=sys.stderr)
        return 1
    return _up(options)


def _up(options: argparse.Namespace) -> int:
    if _running() is not None:
        print("A cluster is up. End it with: make cluster ARGS=down", file=sys.stderr)
        return 1
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    (HOME / "pid").write_text(str(os.getpid()))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("Starting eight machines, database, broker, store and queue (a minute or two) ...", flush=True)
    try:
        with (
            suppress(KeyboardInterrupt),
            ClusterWorld(
                HOME, dags=DAGS, concurrency=options.concurrency, speed=options.speed, render="fast"
            ) as world,
        ):
            print(
                f"Airflow: {world.cluster.api.base_url}, user {USERNAME}, password {world.cluster.password}\n"
                f"Store: {world.cluster.store.url}, bucket {BUCKET}. Queue: {world.simulator.base_url}\n"
                f"Logs of the machines: {HOME / 'logs'}\n"
                "Ctrl-C ends it, or from another terminal: make cluster ARGS=down",
                flush=True,
            )
            while True:
                world.cluster.require_running()
                time.sleep(1)
    finally:
        (HOME / "pid").unlink(missing_ok=True)
    print("The cluster is down.")
    return 0


def _down() -> int:
    if (pid := _running()) is None:
        print("No cluster is up.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while _running() is not None:
        if time.monotonic() > deadline:
            print(f"Process {pid} has not ended after {PATIENCE:.0f} s.", file=sys.stderr)
            return 1
        time.sleep(0.2)
    print("The cluster is down.")
    return 0


def _running() -> int | None:
    """Return the process of the cluster that is up, or None."""
    with suppress(OSError, ValueError):
        pid = int((HOME / "pid").read_text())
        os.kill(pid, 0)
        return pid
    return None


if __name__ == "__main__":
    sys.exit(main())
