"""One row of the table: a process that waits for all the requests in one way, and measures itself."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from typing import Any, TextIO

from benchmarks.waiting.ways import Make, way

TICK = 0.1
"""Seconds between two looks at the event loop, as in Airflow's own watch over it."""
TURN = 1.0
"""Seconds between two turns of the triggerer's loop, each of which starts the triggers that are new."""
WARM_UP = 1.0


class Delay:
    """The largest delay of the event loop, in seconds.

    :param largest: as a clock on the wall sees it, so other processes' work is in it.
    :param own: as far as this process was working meanwhile.
    """

    def __init__(self) -> None:
        self.largest = 0.0
        self.own = 0.0

    async def measure(self) -> None:
        """Sleep and see how late it gets."""
        while True:
            before, worked = time.perf_counter(), time.process_time()
            await asyncio.sleep(TICK)
            late = time.perf_counter() - before - TICK
            self.largest = max(self.largest, late)
            self.own = max(self.own, min(late, time.process_time() - worked))


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


async def wait_for_all(
    make: Make, ids: list[str], ramp: float, until: float
) -> tuple[dict[str, float], Delay]:
    """Start triggers for all requests over the ramp, in turns as a triggerer does; return when each ended.

    :param ramp: seconds.
    :param until: when to stop, Unix seconds.
    """
    seen: dict[str, float] = {}
    delay = Delay()
    meter = asyncio.create_task(delay.measure())

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
    if tasks:
        await asyncio.wait(tasks, timeout=max(0.1, until - time.time()))
    await asyncio.sleep(max(0.0, until - time.time()))
    meter.cancel()
    failed = [task for task in tasks if task.done() and task.exception() is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        print(f"{len(failed)} triggers failed, one with {failed[0].exception()!r}", file=sys.stderr)
    return seen, delay


async def measure(plan: dict[str, Any], answers: TextIO) -> dict[str, Any]:
    """Warm up, say when ready, wait for the word, run; return what was measured."""
    make = way(plan["way"], plan["interval"], plan["window"], plan["model"])
    if plan["ids"]:
        await warm_up(make, plan["ids"][0])
    gc.collect()
    print("ready", file=answers)
    await asyncio.to_thread(sys.stdin.readline)
    cpu = time.process_time()
    seen, delay = await wait_for_all(make, plan["ids"], plan["ramp"], time.time() + plan["window"])
    return {
        "seen": seen,
        "cpu": time.process_time() - cpu,
        "largest_delay": delay.largest,
        "own_delay": delay.own,
    }


def main() -> None:
    """Read the plan from the input, measure, print what was measured."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    log_as_a_triggerer_does()
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    print(json.dumps(asyncio.run(measure(plan, answers))), file=answers)


if __name__ == "__main__":
    main()
