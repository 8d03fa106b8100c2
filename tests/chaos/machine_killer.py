"""Kills the machines of a cluster at random, with broker and database; takes their network and disk away."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from tests.chaos.killer import STALL, Killer
from tests.cluster.celery_cluster import SCHEDULERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.killer import Ways
    from tests.cluster.machine import Machine
    from tests.cluster.world import ClusterWorld

PAUSE = (4.0, 14.0)
"""Seconds between two kills. A task that died is noticed after 15 s, and has its next try 5 s later."""
HELD = (5.0, 25.0)
"""Seconds that a machine is without the queue, or without room in ``TMPDIR``."""
GRACE = (0.0, 20.0)
"""Seconds between the SIGTERM to a pod and its end."""


class MachineKiller(Killer):
    """Kills parts of a cluster, and starts them again, as an orchestrator does.

    :param world: what it kills in.
    :param seed: decides what is killed, and when.
    :param kills: at most.
    """

    def __init__(self, world: ClusterWorld, seed: int, kills: int) -> None:
        super().__init__(seed, PAUSE, kills)
        self.revived = 0
        """How many parts ended by themselves, and were started again."""
        self._world, self._cluster = world, world.cluster
        self._due: list[tuple[float, Callable[[], None]]] = []

    @property
    def ways(self) -> Ways:
        """All that can happen to a machine, and to what all machines need."""
        return {
            "tasks killed": (self._kill_a_task, 30),
            "tasks told to end": (self._end_a_task, 10),
            "workers without power": (self._kill_a_worker, 6),
            "workers ended as pods": (self._end_a_worker, 6),
            "workers without the queue": (self._cut_a_worker_off, 8),
            "workers with a full disk": (self._fill_a_disk, 8),
            "triggerers without power": (self._kill_a_triggerer, 5),
            "triggerers stalled": (self._stall_a_triggerer, 4),
            "triggerers without the queue": (self._cut_a_triggerer_off, 4),
            "schedulers without power": (self._kill_a_scheduler, 4),
            "brokers killed": (self._kill_the_broker, 3),
            "databases killed": (self._kill_the_database, 2),
            "queue unreachable": (self._close_the_queue, 5),
        }

    def between(self) -> None:
        """Start what has ended by itself, and give back what was taken away for long enough."""
        for machine in self._cluster.machines.values():
            if not machine.running:
                machine.start()
                self.revived += 1
        self._give_back(time.monotonic())

    def stop(self) -> None:
        """Let it be enough, and give everything back."""
        try:
            super().stop()
        finally:
            self._give_back(float("inf"))

    def _give_back(self, now: float) -> None:
        for due in [due for due in self._due if due[0] <= now]:
            self._due.remove(due)
            due[1]()

    def _later(self, give_back: Callable[[], None]) -> None:
        self._due.append((time.monotonic() + self._random.uniform(*HELD), give_back))

    def _tasks(self) -> list[psutil.Process]:
        return [process for worker in self._cluster.workers for process in self._cluster.tasks(worker)]

    def _kill_a_worker(self) -> bool:
        return _lose_power(self._random.choice(self._cluster.workers))

    def _kill_a_triggerer(self) -> bool:
        return _lose_power(self._random.choice(self._cluster.triggerers))

    def _kill_a_scheduler(self) -> bool:
        return _lose_power(self._cluster.machines[self._random.choice(SCHEDULERS)])

    def _end_a_worker(self) -> bool:
        worker = self._random.choice(self._cluster.workers)
        worker.end(grace=self._random.uniform(*GRACE))
        worker.start()
        return True

    def _stall_a_triggerer(self) -> bool:
        stalled = self._random.choice(self._cluster.triggerers).processes()
        try:
            for process in stalled:
                process.suspend()
            self._over.wait(STALL)
        finally:
            for process in stalled:
                with suppress(psutil.Error):
                    process.resume()
        return bool(stalled)

    def _cut_a_worker_off(self) -> bool:
        return self._cut_off(self._random.choice(self._cluster.workers))

    def _cut_a_triggerer_off(self) -> bool:
        return self._cut_off(self._random.choice(self._cluster.triggerers))

    def _cut_off(self, machine: Machine) -> bool:
        machine.cut_off()
        self._later(machine.reconnect)
        return True

    def _fill_a_disk(self) -> bool:
        worker = self._random.choice(self._cluster.workers)
        worker.fill_disk()
        self._later(worker.empty_disk)
        return True

    def _kill_the_broker(self) -> bool:
        broker = self._cluster.broker
        broker.kill()
        broker.start()
        broker.wait_until_answering()
        return True

    def _kill_the_database(self) -> bool:
        self._cluster.database.kill_and_restart()
        return True

    def _close_the_queue(self) -> bool:
        self._world.simulator.faults.add("refused", seconds=2.0)
        return True


def _lose_power(machine: Machine) -> bool:
    machine.kill()
    machine.start()
    return True
