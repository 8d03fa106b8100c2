"""Kills what runs, at random: tasks, whole workers, triggerers; and closes the queue's door now and then."""

from __future__ import annotations

import random
import signal
import threading
from abc import abstractmethod
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from tests.e2e.cluster import supervisor_of, task_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from tests.e2e.world import World

    Ways = Mapping[str, tuple[Callable[[], bool], int]]
    """What is done by its name in the table: a function that returns whether it struck, and how often it is
    chosen, compared with the others."""

PAUSE = (2.0, 6.0)
"""Seconds between two kills."""
STALL = 15.0
"""Seconds of a triggerer's stall: long enough to lose its heartbeat."""


class Killer(threading.Thread):
    """Kills from its start until it is told to stop; a context manager.

    :param seed: decides what is killed, and when.
    :param pause: seconds between two kills, at least and at most.
    :param kills: at most; None for no limit.
    """

    def __init__(self, seed: int, pause: tuple[float, float] = PAUSE, kills: int | None = None) -> None:
        super().__init__(name="killer", daemon=True)
        self._pause, self._kills = pause, kills
        self.killed: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._error: BaseException | None = None

    @property
    @abstractmethod
    def ways(self) -> Ways:
        """What it does."""

    @abstractmethod
    def _tasks(self) -> list[psutil.Process]:
        """Return the processes in which tasks run."""

    @property
    def missing(self) -> set[str]:
        """What has not struck yet."""
        return set(self.ways) - set(+self.killed)

    def run(self) -> None:
        """Kill, pause, kill."""
        try:
            while not self._over.wait(self._random.uniform(*self._pause)):
                self.between()
                if self._kills is not None and self.killed.total() >= self._kills:
                    continue
                name = self._choose()
                with suppress(psutil.Error):
                    self.killed[name] += self.ways[name][0]()
        except BaseException as error:  # raised again where the thread is waited for
            self._error = error

    def between(self) -> None:
        """Do what is to be done between two kills."""

    def stop(self) -> None:
        """Let it be enough.

        :raises BaseException: what has ended the thread before.
        """
        self._over.set()
        self.join()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Killer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _choose(self) -> str:
        """Return a name, mostly one that has not struck yet, so that each does in a short run."""
        missing = sorted(self.missing)
        if missing and self._random.random() < 0.7:
            return self._random.choice(missing)
        (name,) = self._random.choices(list(self.ways), [weight for _, weight in self.ways.values()])
        return name

    def _task(self) -> psutil.Process | None:
        found = self._tasks()
        return self._random.choice(found) if found else None

    def _kill_a_task(self) -> bool:
        if process := self._task():
            process.kill()
        return process is not None

    def _end_a_task(self) -> bool:
        if process := self._task():
            process.terminate()
        return process is not None


class ProcessKiller(Killer):
    """Kills processes of an Airflow on one machine.

    :param world: what it kills in.
    :param seed: decides what is killed, and when.
    """

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(seed)
        self._world = world

    @property
    def ways(self) -> Ways:
        """Tasks, workers, triggerers, and the queue."""
        return {
            "tasks killed": (self._kill_a_task, 60),
            "tasks told to end": (self._end_a_task, 15),
            "workers killed": (self._kill_a_worker, 8),
            "triggerers killed": (self._kill_a_triggerer, 6),
            "triggerers stalled": (self._stall_a_triggerer, 5),
            "queue unreachable": (self._close_the_queue, 6),
        }

    def _tasks(self) -> list[psutil.Process]:
        return task_processes(self._world.cluster.home)

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
