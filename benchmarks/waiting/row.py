"""One row of the table: a process that waits for all requests in one way, and measures itself."""

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
"""Seconds between two turns of the triggerer's loop. Each turn starts the new triggers."""
WARM_UP = 1.0


class MeasuredSelector(selectors.DefaultSelector):
    """The event loop's selector; it measures how long the loop takes between two calls of the selector.

    A timer, which Airflow uses for the same purpose, would wake the process more often than the waits do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        """Start measuring."""
        self.longest = 0.0
        """Seconds of the longest block, in real time: time that other processes took is included."""
        self._selected_at = time.perf_counter()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for the next event."""
        now = time.perf_counter()
        self.longest = max(self.longest, now - self._selected_at)
        events = super().select(timeout)
        self._selected_at = time.perf_counter()
        if timeout is not None and not events:  # woken too late: threads held the interpreter
            self.longest = max(self.longest, self._selected_at - now - max(0.0, timeout))
        return events


async def warm_up(make: Make, request_id: str) -> None:
    """Run one trigger for a moment, so that costs which a process pays once are not measured."""

    async def one() -> None:
        async for _ in make(request_id).run():
            return

    task = asyncio.create_task(one())
    await asyncio.wait([task], timeout=WARM_UP)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def log_as_a_triggerer_does() -> None:
    """Write log lines to `/dev/null` as the triggerer does: they are a part of the cost."""
    from airflow.sdk.log import configure_logging

    nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb", buffering=0)
    configure_logging(json_output=True, output=nowhere, sending_to_supervisor=True)


async def wait_for_all(make: Make, ids: list[str], ramp: float, until: float) -> dict[str, float]:
    """Start triggers for all requests, in turns as a triggerer does; return when each one fired.

    :param ramp: seconds over which the triggers are started.
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


async def measure(plan: dict[str, Any], output: TextIO, selector: MeasuredSelector) -> dict[str, Any]:
    """Warm up, print `ready`, wait for a line, run; return the figures."""
    make = way(plan["way"], plan["interval"], plan["window"], plan["model"])
    await warm_up(make, plan["ids"][0])
    gc.collect()
    print("ready", file=output)
    await asyncio.to_thread(sys.stdin.readline)
    selector.reset()
    cpu = time.process_time()
    seen = await wait_for_all(make, plan["ids"], plan["ramp"], time.time() + plan["window"])
    return {"seen": seen, "cpu": time.process_time() - cpu, "block": selector.longest}


def main() -> None:
    """Read the plan from the input, measure, print the figures."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    log_as_a_triggerer_does()
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    selector = MeasuredSelector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        print(json.dumps(runner.run(measure(plan, output, selector))), file=output)


if __name__ == "__main__":
    main()
