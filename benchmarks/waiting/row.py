"""One row of the table: a process that waits for all the requests in one way, and measures itself."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import selectors
import sys
import time
from typing import Any, TextIO

from benchmarks.waiting.ways import Make, way

TURN = 1.0
"""Seconds between two turns of the triggerer's loop, each of which starts the triggers that are new."""
WARM_UP = 1.0


class Watched(selectors.DefaultSelector):
    """The event loop's selector, which sees how long the loop takes between two looks at what has happened.

    A clock that ticks, as Airflow's own watch over its loop, would wake the process more often than what is
    measured here does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.longest = 0.0
        """Seconds of the longest block, by a clock on the wall: what other processes do is in it."""
        self._looked = time.perf_counter()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what happens next."""
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._looked)
        happened = super().select(timeout)
        self._looked = time.perf_counter()
        if timeout is not None and not happened:  # overslept: its threads did not let it wake
            self.longest = max(self.longest, self._looked - now - max(0.0, timeout))
        return happened


async def warm_up(make: Make, request_id: str) -> None:
    """Run one trigger for a moment: what a process pays once is no cost of waiting, in any of the ways."""

    async def one() -> None:
        async for _ in make(request_id).run():
            return

    task = asyncio.create_task(one())
    await asyncio.wait([task], timeout=WARM_UP)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def log_as_a_triggerer_does() -> None:
    """Write log lines as the process of the triggers does, to nowhere: they are a part of what it costs."""
    from airflow.sdk.log import configure_logging

    nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb", buffering=0)
    configure_logging(json_output=True, output=nowhere, sending_to_supervisor=True)


async def wait_for_all(make: Make, ids: list[str], ramp: float, until: float) -> dict[str, float]:
    """Start triggers for all requests over the ramp, in turns as a triggerer does; return when each ended.

    :param ramp: seconds.
    :param until: when to stop, Unix seconds.
    """
    seen: dict[str, float] = {}

    async def one(request_id: str) -> None:
        async for _ in make(request_id).run():
            seen[request_id] = time.time()

    tasks: list[asyncio.Task[None]] = []
    turns = max(1, round(ramp / TURN))
    for turn in range(turns):
        for request_id in ids[len(ids) * turn // turns : len(ids) * (turn + 1) // turns]:
            tasks.append(asyncio.create_task(one(request_id)))
            await asyncio.sleep(0)
        await asyncio.sleep(TURN)
    await asyncio.wait(tasks, timeout=max(0.1, until - time.time()))
    await asyncio.sleep(max(0.0, until - time.time()))
    failed = [task for task in tasks if task.done() and task.exception() is not None]
    if failed:
        print(f"{len(failed)} triggers failed, one with {failed[0].exception()!r}", file=sys.stderr)
    return seen


async def measure(plan: dict[str, Any], answers: TextIO, watched: Watched) -> dict[str, Any]:
    """Warm up, say when ready, wait for the word, run; return what was measured."""
    make = way(plan["way"], plan["interval"], plan["window"], plan["model"])
    await warm_up(make, plan["ids"][0])
    gc.collect()
    print("ready", file=answers)
    await asyncio.to_thread(sys.stdin.readline)
    watched.forget()
    cpu = time.process_time()
    seen = await wait_for_all(make, plan["ids"], plan["ramp"], time.time() + plan["window"])
    return {"seen": seen, "cpu": time.process_time() - cpu, "block": watched.longest}


def main() -> None:
    """Read the plan from the input, measure, print what was measured."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    log_as_a_triggerer_does()
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    watched = Watched()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(watched)) as runner:
        print(json.dumps(runner.run(measure(plan, answers, watched))), file=answers)


if __name__ == "__main__":
    main()
