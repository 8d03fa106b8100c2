"""A process that waits as a triggerer does; the tests start several of them.

Reads one line of JSON, ``{"ids": [...], "beat": seconds, "skew": seconds}``, and writes a line whenever its
share of the rate limit changes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

PLAN = json.loads(sys.stdin.readline())
MACHINE_TIME = time.time
time.time = lambda: MACHINE_TIME() + PLAN["skew"]

from kling_airflow.hooks.gmi import GMICloudHook  # noqa: E402
from kling_airflow.polling import share  # noqa: E402
from kling_airflow.polling.decision import Wait  # noqa: E402
from kling_airflow.polling.poller import Poller  # noqa: E402
from tests.polling.waiting import MODEL  # noqa: E402


async def wait_for(poller: Poller, request_id: str) -> None:
    now = time.time()
    wait = Wait(request_id=request_id, started_at=now, deadline=now + 3600)
    with poller.add_waiter(wait, model=MODEL, interval=1.0) as waiter:
        while await waiter.result(within=60) is None:
            pass


async def main() -> None:
    share.BEAT_SECONDS = PLAN["beat"]  # type: ignore[misc]
    poller = await GMICloudHook().get_poller()
    waits = [asyncio.create_task(wait_for(poller, request_id)) for request_id in PLAN["ids"]]
    said = None
    while not any(wait.done() for wait in waits):
        if (now := poller.rate_limiter.share) != said:
            said = now
            print(json.dumps({"share": said}), flush=True)
        await asyncio.sleep(0.05)


asyncio.run(main())
