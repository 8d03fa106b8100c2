"""One storyboard in a real Airflow whose task, worker and triggerers are killed at random moments."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
import requests

from tests.e2e.cluster import supervisor_of, task_processes
from tests.e2e.cluster_api import Row
from tests.e2e.world import Run

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.billing import LedgerEntry
    from tests.e2e.world import World

DAG_ID = "shots"
ENDED = {"success", "failed"}
SAY_EVERY = 15.0
PAUSE = 2.0
"""Seconds between a step and a kill, at most."""
OTHERS_EVERY = 20.0
"""Seconds between two orders of another team in the organization: a younger request in the list proves that a
lost one is not there."""
OURS, OTHERS = "ours", "others"
ACCOUNTS = [{"key": f"gmi-{name}-key", "name": name} for name in (OURS, OTHERS)]
"""The accounts of the queue: the DAGs use the first."""


@dataclass
class KilledBoard:
    """One run of a storyboard, killed again and again.

    :param world: a cluster with the DAG ``shots``.
    :param name: of the run.
    :param shots: how many shots the storyboard has.
    :param kills: how many kills there are.
    :param seed: decides what is killed, and when.
    :param in_flight: requests in the queue at a time, at most.
    """

    world: World
    name: str
    shots: int
    kills: int
    seed: int
    in_flight: int = 20
    killed: Counter[str] = field(default_factory=Counter)
    before: int = 0
    """Our requests that were in the queue before the run."""

    def start(self) -> None:
        """Start the run."""
        self._write_board()
        self.before = len(self._ours())
        self.world.cluster.api.start(DAG_ID, self.name, {"in_flight": self.in_flight})

    def play(self, seconds: float) -> str:
        """Start the run, kill what runs it, and return how the run ends.

        Each kill comes when a random number of steps is done: a shot makes three, as its request is created,
        is billed, and its clip lands. So the kills are spread over the whole run.

        :raises AssertionError: if the run takes longer.
        """
        chance = random.Random(self.seed)
        moments = sorted(chance.randrange(int(2.9 * self.shots)) for _ in range(self.kills))
        self.start()
        deadline, said_at, ordered_at = time.monotonic() + seconds, 0.0, 0.0
        while (state := self._state()) not in ENDED:
            assert time.monotonic() < deadline, (
                f"{self.name} is {state} after {seconds:.0f} s: {self.counts()}"
            )
            if moments and self._steps() >= moments[0]:
                time.sleep(chance.uniform(0, PAUSE))  # else it were always just after a step
                if self._kill(chance):
                    del moments[0]
            if time.monotonic() - said_at > SAY_EVERY:
                said_at = time.monotonic()
                print(f"{time.strftime('%H:%M:%S')}  {self.counts()}  {dict(self.killed)}", flush=True)
            if time.monotonic() - ordered_at > OTHERS_EVERY:
                ordered_at = time.monotonic()
                self.world.order_for_somebody_else()
            time.sleep(0.1)
        return state

    def entries(self) -> list[LedgerEntry]:
        """Return our requests since the run began."""
        return self._ours()[self.before :]

    def counts(self) -> dict[str, int]:
        """Return how many of our requests were created and billed, and how many clips have landed."""
        entries = self.entries()
        billed = sum(entry.billed for entry in entries)
        return {"created": len(entries), "billed": billed, "landed": len(self.landed())}

    def landed(self) -> dict[str, str]:
        """Return the request id of each landed clip by the shot's name, as the sidecars say."""
        folder = self.world.folder / "clips" / self.name
        sidecars = [path for path in folder.glob("*.json") if path.stem != "report"]
        return {
            path.stem: str(json.loads(path.read_bytes())["request_id"])
            for path in sidecars
            if path.with_suffix(".mp4").is_file()
        }

    def report(self) -> Row:
        """Return the storyboard's report as it lies beside the clips."""
        found: Row = json.loads((self.world.folder / "clips" / self.name / "report.json").read_bytes())
        return found

    def prompt(self, number: int) -> str:
        """Return what a shot asks for; no other asks the same."""
        return f"{self.name} {number}: the rocket rises"

    @property
    def run(self) -> Run:
        """The run."""
        return Run(self.world, DAG_ID, self.name)

    def _ours(self) -> list[LedgerEntry]:
        return [entry for entry in self.world.simulator.ledger() if entry.key_name == OURS]

    def _write_board(self) -> None:
        shots: list[dict[str, Any]] = [
            {
                "name": f"s{number}",
                "frame": (self.world.folder / "frame.png").as_uri(),
                "prompt": self.prompt(number),
                "duration": 3,
            }
            for number in range(self.shots)
        ]
        boards = self.world.folder / "boards"
        boards.mkdir(exist_ok=True)
        (boards / f"{self.name}.json").write_text(json.dumps(shots))

    def _state(self) -> str:
        with suppress(requests.Timeout):  # a busy machine
            return self.world.cluster.api.run_state(DAG_ID, self.name)
        return ""

    def _steps(self) -> int:
        return sum(self.counts().values())

    def _kill(self, chance: random.Random) -> bool:
        """Kill a part of what runs now; return whether there was one."""
        kind = chance.choice(("task", "task", "worker", "triggerer"))
        found = task_processes(self.world.cluster.home)
        with suppress(psutil.Error):
            if kind != "triggerer" and found:
                worker = supervisor_of(found[0])
                if kind == "worker":
                    worker.kill()
                found[0].kill()
                self.killed[kind] += 1
                return True
            if kind == "triggerer" or self.run.state("clips") == "deferred":
                part = chance.choice(list(self.world.cluster.triggerers.values()))
                part.kill()
                part.start()
                self.killed["triggerer"] += 1
                return True
        return False
