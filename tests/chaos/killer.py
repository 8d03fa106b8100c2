"""Kills what runs, at random: tasks, whole workers, triggerers; and closes the queue's door now and then."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from tests.e2e.cluster import supervisor_of, task_processes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.world import World

PAUSE = (2.0, 6.0)
"""Seconds between two kills."""
STALL = 15.0
"""Seconds of a triggerer's stall: long enough to lose its heartbeat."""


class Killer(threading.Thread):
    """Kills from its start until it is told to stop.

    :param world: what it kills in.
    :param seed: decides what is killed, and when.
    """

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(name="killer", daemon=True)
        self.killed: Counter[str] = Counter()
        self._world = world
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._ways: dict[str, tuple[Callable[[], bool], int]] = {
            "tasks killed": (self._kill_a_task, 60),
            "tasks told to end": (self._end_a_task, 15),
            "workers killed": (self._kill_a_worker, 8),
            "triggerers killed": (self._kill_a_triggerer, 6),
            "triggerers stalled": (self._stall_a_triggerer, 5),
            "queue unreachable": (self._close_the_queue, 6),
        }

    def run(self) -> None:
        """Kill, pause, kill."""
        names = list(self._ways)
        weights = [weight for _, weight in self._ways.values()]
        while not self._over.wait(self._random.uniform(*PAUSE)):
            (name,) = self._random.choices(names, weights)
            with suppress(psutil.Error):
                self.killed[name] += self._ways[name][0]()

    def stop(self) -> None:
        """Let it be enough."""
        self._over.set()
        self.join()

    def _task(self) -> psutil.Process | None:
        found = task_processes(self._world.cluster.home)
        return self._random.choice(found) if found else None

    def _kill_a_task(self) -> bool:
        if process := self._task():
            process.kill()
        return process is not None

    def _end_a_task(self) -> bool:
        if process := self._task():
            process.terminate()
        return process is not None

    def _kill_a_worker(self) -> bool:
        if process := self._task():
            supervisor_of(process).kill()
            process.kill()
        return process is not None

    def _kill_a_triggerer(self) -> bool:
        part = self._random.choice(list(self._world.cluster.triggerers.values()))
        part.kill()
        part.start()
        return True

    def _stall_a_triggerer(self) -> bool:
        part = self._random.choice(list(self._world.cluster.triggerers.values()))
        part.signal(signal.SIGSTOP)
        self._over.wait(STALL)
        part.signal(signal.SIGCONT)
        return True

    def _close_the_queue(self) -> bool:
        self._world.simulator.faults.add("refused", seconds=2.0)
        return True
