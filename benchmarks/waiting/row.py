"""One row of the table: a process that waits for all the requests in one way, and measures itself."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from typing import Any

from benchmarks.waiting.ways import Make, way

TICK = 0.02


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


async def wait_for_all(
    make: Make, ids: list[str], ramp: float, until: float
) -> tuple[dict[str, float], Delay]:
    """Start a trigger for each request, evenly over the ramp, as a triggerer does; return when each ended.

    :param ramp: seconds.
    :param until: when to stop, Unix seconds.
    """
    seen: dict[str, float] = {}
    delay = Delay()
    meter = asyncio.create_task(delay.measure())

    async def one(request_id: str) -> None:
        async for _ in make(request_id).run():
            seen[request_id] = time.time()
            return

    began = time.time()
    tasks = []
    for number, request_id in enumerate(ids):
        tasks.append(asyncio.create_task(one(request_id)))
        ahead = began + ramp * (number + 1) / len(ids) - time.time()
        await asyncio.sleep(max(0.0, ahead))
    await asyncio.wait(tasks, timeout=max(0.1, until - time.time()))
    meter.cancel()
    failed = [task for task in tasks if task.done() and task.exception() is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if failed:
        print(f"{len(failed)} triggers failed, one with {failed[0].exception()!r}", file=sys.stderr)
    return seen, delay


def main() -> None:
    """Read the plan from the input, say when ready, run, print what was measured."""
    # What Airflow's loggers print goes nowhere, but is not turned off: our trigger's lines are a part of
    # what it costs.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    make = way(plan["way"], plan["interval"], plan["window"], plan["model"])
    for module in ("aiohttp", "requests", "kling_airflow.gmi.poller", "kling_airflow.hooks.gmi"):
        __import__(module)
    gc.collect()
    print("ready", file=answers)
    sys.stdin.readline()
    cpu = time.process_time()
    until = time.time() + plan["window"]
    seen, delay = asyncio.run(wait_for_all(make, plan["ids"], plan["ramp"], until))
    print(
        json.dumps(
            {
                "seen": seen,
                "cpu": time.process_time() - cpu,
                "largest_delay": delay.largest,
                "own_delay": delay.own,
            }
        ),
        file=answers,
    )


if __name__ == "__main__":
    main()
