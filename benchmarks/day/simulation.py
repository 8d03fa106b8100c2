"""Clips of a day: each is submitted by the real submitter and awaited by the real poller."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from unittest.mock import patch

from benchmarks.day.clock import START, VirtualLoop
from benchmarks.day.queue import DayAsyncClient, DayClient, DayQueue, Outage, WorkerKilled
from benchmarks.day.store import DayStore, Root
from kling_airflow.errors import KlingError
from kling_airflow.gmi.request import Request
from kling_airflow.polling.decision import Wait
from kling_airflow.polling.poller import Poller, poller_of
from kling_airflow.submission.object_store import PROVEN, ObjectStoreLedger
from kling_airflow.submission.order import DeliveredFrames, Order, SubmitLater
from kling_airflow.submission.submit import Submitter
from kling_airflow.submission.task_key import TaskKey

MODEL = "kling-v3-image-to-video"
LONGEST_WAIT = 3 * 3600.0
SUBMIT_TIMEOUT = 3600.0
RETRY_DELAY = 30.0
"""Seconds after which Airflow begins the next try of a killed task."""


@dataclass
class Day:
    """What is simulated.

    :param clips: how many are asked for.
    :param seconds: length of the day.
    :param generation: seconds from a submission to its end, on average.
    :param burst: clips that are asked for in the same second, for a fifth of all clips.
    :param outages: whether the queue is away, refuses and slows down for some minutes.
    :param interval: seconds between two looks.
    :param max_calls_per_second: the connection's rate limit.
    :param faults: part of the submissions whose answer is lost, and part after which the worker is killed.
    :param seed: of everything that is left to chance.
    """

    clips: int
    seconds: float = 86_400.0
    generation: float = 170.0
    burst: int = 1000
    outages: bool = True
    interval: float = 10.0
    max_calls_per_second: float = 50.0
    faults: float = 0.005
    seed: int = 1

    def planned_outages(self) -> list[Outage]:
        """Return one outage of each kind, of ten, five and five minutes at most."""
        if not self.outages:
            return []
        part = self.seconds / 86_400
        plan = [(0.25, 600, "away"), (0.5, 300, "503"), (0.75, 300, "429")]
        return [
            Outage(START + at * self.seconds, START + at * self.seconds + max(60.0, length * part), kind)
            for at, length, kind in plan
        ]


@dataclass
class Result:
    """What came of it.

    :param lags: seconds from each end in the queue to the waiter's return.
    :param lags_in_order: the same without ends during an outage, or in the two minutes after one.
    :param ends: how many waits ended in which way.
    """

    lags: list[float] = field(default_factory=list)
    lags_in_order: list[float] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    bought_twice: int = 0
    lost: int = 0
    lost_answers: int = 0
    killed_workers: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    most_waiting: int = 0
    most_calls_in_a_second: int = 0
    ledger_operations: int = 0
    simulated: float = 0.0


class PausedWorker(Exception):
    """A worker's pause: the task comes back after it.

    :param seconds: how long.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def _pause(seconds: float) -> None:
    if seconds > 0:
        raise PausedWorker(seconds)


def simulate(day: Day, folder: Path) -> Result:
    """Run a day in simulated time and return what came of it.

    :param folder: gets the file of the ledger's store.
    """
    loop = VirtualLoop()
    log, level = logging.getLogger("kling_airflow"), logging.getLogger("kling_airflow").level
    log.setLevel(logging.CRITICAL)
    PROVEN.clear()
    state = random.getstate()
    random.seed(day.seed)  # the poller's jitter, and that of pauses
    try:
        with patch.object(time, "time", loop.unix):
            return loop.run_until_complete(_Simulation(day, folder, loop).run())
    finally:
        log.setLevel(level)
        random.setstate(state)
        loop.close()


class _Simulation:
    def __init__(self, day: Day, folder: Path, loop: VirtualLoop) -> None:
        self.day, self.loop, self.result = day, loop, Result()
        self.chance = random.Random(day.seed)
        self.outages = day.planned_outages()
        self.queue = DayQueue(
            loop.unix,
            seconds=day.generation,
            outages=self.outages,
            chance=self.chance,
            faults=day.faults,
        )
        self.store = DayStore(folder / "ledger.sqlite")
        self.client = DayClient(self.queue)
        self.waiting = 0

    async def run(self) -> Result:
        asked_at = sorted(self._asked_at())
        tasks: set[asyncio.Task[None]] = set()
        for number, at in enumerate(asked_at):
            await asyncio.sleep(max(0.0, at - self.loop.elapsed))
            task = asyncio.create_task(self._clip(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        while tasks:
            await asyncio.wait(tasks)
        poller = self._poller()
        if poller.task is not None:
            poller.task.cancel()
            await asyncio.gather(poller.task, return_exceptions=True)
        return self._counted()

    def _asked_at(self) -> list[float]:
        day = self.day
        bursts = round(day.clips * 0.2 / day.burst)
        at = [burst for _ in range(bursts) for burst in [self.chance.uniform(0, day.seconds)] * day.burst]
        return at + [self.chance.uniform(0, day.seconds) for _ in range(day.clips - len(at))]

    def _poller(self) -> Poller:
        client = DayAsyncClient(self.queue)
        return poller_of(client, max_calls_per_second=self.day.max_calls_per_second)

    async def _clip(self, number: int) -> None:
        try:
            request_id = await self._submit(number)
        except KlingError as error:
            self.result.ends[f"not submitted: {type(error).__name__}"] += 1
            return
        self.waiting += 1
        self.result.most_waiting = max(self.result.most_waiting, self.waiting)
        now = time.time()
        wait = Wait(request_id, started_at=now, deadline=now + LONGEST_WAIT)
        with self._poller().add_waiter(wait, model=MODEL, interval=self.day.interval) as waiter:
            while (end := await waiter.result(within=60.0)) is None:
                pass
        self.waiting -= 1
        self._record_end(request_id, end)

    async def _submit(self, number: int) -> str:
        """Submit as a task does: each pause, and each death of the worker, is followed by another try."""
        key = TaskKey("day", f"run-{number // 1000}", "submit", number % 1000)
        order, until, tries = self._order(number), time.time() + SUBMIT_TIMEOUT, 0
        while True:
            tries += 1
            now = self.loop.unix
            ledger = ObjectStoreLedger(Root(self.store), key, deployment="day", by=f"try {tries}", now=now)
            submitter = Submitter(
                self.client, ledger, _QUIET, until=until, now=now, sleep=_pause, store_sleep=_pause
            )
            try:
                return submitter.submit(order).request_id
            except (SubmitLater, PausedWorker) as pause:
                await asyncio.sleep(pause.seconds)
            except WorkerKilled:
                await asyncio.sleep(RETRY_DELAY)

    def _order(self, number: int) -> Order:
        fields = {"prompt": f"clip {number}", "duration": "5", "sound": "off"}

        def deliver(order_id: str, marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
            image = marker or f"https://storage.example/frames/{order_id}.png"
            return DeliveredFrames({"image": image}, image, {"image": image})

        return Order(MODEL, f"{number:064x}", 1, deliver, partial(_payload, fields), fields, price_usd=0.84)

    def _record_end(self, request_id: str, end: Request | KlingError) -> None:
        ends_at = self.queue.by_id[request_id].ends_at
        kind = str(end.status) if isinstance(end, Request) else type(end).__name__
        self.result.ends[kind] += 1
        lag = time.time() - ends_at
        self.result.lags.append(lag)
        if not any(outage.begins - 15 <= ends_at < outage.ends + 120 for outage in self.outages):
            self.result.lags_in_order.append(lag)

    def _counted(self) -> Result:
        by_order = Counter(entry.payload for entry in self.queue.entries)
        result, queue = self.result, self.queue
        result.bought_twice = sum(count - 1 for count in by_order.values())
        result.lost = len(queue.entries) - len(result.lags)
        result.lost_answers, result.killed_workers, result.calls = queue.lost, queue.killed, queue.calls
        result.most_calls_in_a_second = max(queue.reads_by_second.values(), default=0)
        result.ledger_operations, result.simulated = self.store.operations, self.loop.elapsed
        return result


def _payload(fields: Mapping[str, str], frames: Mapping[str, str]) -> dict[str, str]:
    return {**fields, **frames}


_QUIET = logging.getLogger("kling_airflow.day")
