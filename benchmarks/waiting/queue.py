"""The simulator in a process of its own, with requests whose ends are spread over a window.

It talks JSON lines: it prints its address, waits for the line ``begin``, and prints its calls on ``calls``.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

from kling_airflow.simulator import Simulator
from kling_airflow.simulator.queue.lifecycle import Status, Timeline

MODEL = "kling-v3-text-to-video"
"""This model takes no frame, so thousands of requests are made in seconds. All models have the same list."""
PROMPT = "A lighthouse on a cliff in a storm, seen from a drone that circles it, cinematic, at dusk. " * 6


def create(simulator: Simulator, count: int) -> list[Any]:
    """Create the requests as a POST does, but without HTTP; return them."""
    body = json.dumps(
        {"model": MODEL, "payload": {"prompt": PROMPT, "duration": "5", "sound": "off"}}
    ).encode()
    account = simulator.settings.accounts[0]

    async def submit(service: Any) -> list[Any]:
        return [await service.submit(account, body) for _ in range(count)]

    loop, service = simulator._running()  # noqa: SLF001 -- no public way creates thousands
    requests = asyncio.run_coroutine_threadsafe(submit(service), loop).result(600)
    simulator.wait_rendered(600)
    return requests


def begin(simulator: Simulator, requests: list[Any], first: float, last: float) -> dict[str, float]:
    """Let every request begin now and end at a random moment; return the ends by request id, in Unix seconds.

    :param first: seconds from now until the first end.
    :param last: seconds from now until the last end.
    """
    chance = random.Random(7)

    def spread(service: Any) -> dict[str, float]:
        now, ends = time.time(), {}
        for request in requests:
            done = chance.uniform(first, last)
            steps = ((Status.QUEUED, 0.0), (Status.DISPATCHED, done * 0.04), (Status.PROCESSING, done * 0.1))
            request.created_at = now
            request.timeline = Timeline(steps, done)
            service.store.schedule(request, now + done)
            ends[request.request_id] = now + done
        return ends

    ends: dict[str, float] = simulator._call(spread)  # noqa: SLF001
    return ends


def main() -> None:
    """Serve until the input ends."""
    count, first, last = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    # So slow that no request ends before `begin`.
    with Simulator(render="fast", speed=1e-3, submit_seconds=0.0) as simulator:
        requests = create(simulator, count)
        _say(
            {
                "base_url": simulator.base_url,
                "key": simulator.api_key,
                "model": MODEL,
                "ids": [request.request_id for request in requests],
            }
        )
        for line in sys.stdin:
            match line.strip():
                case "begin":
                    _say(begin(simulator, requests, first, last))
                case "calls":
                    _say(simulator.calls())


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    main()
