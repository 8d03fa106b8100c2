"""Requests of a simulator, and a poller that waits for them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from kling_airflow.gmi.async_client import AsyncGMIClient
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.request import Request
from kling_airflow.polling.decision import Wait
from kling_airflow.polling.poller import Poller, poller_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kling_airflow.errors import KlingError
    from kling_airflow.simulator import Simulator

MODEL = "kling-v3-text-to-video"


class CountedMetrics:
    """Metrics that keep every figure."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.pauses: list[tuple[float, bool]] = []
        self.lags: list[float] = []
        self.seconds: list[tuple[str, int | None, float]] = []
        self.in_flights: list[int] = []

    def in_flight(self, requests: int) -> None:
        self.in_flights.append(requests)

    def call(self, kind: str, outcome: str) -> None:
        self.calls[kind, outcome] += 1

    def paused(self, seconds: float, *, limited: bool) -> None:
        self.pauses.append((seconds, limited))

    def noticed(self, lag: float) -> None:
        self.lags.append(lag)

    def generated(self, model: str, duration: int | None, seconds: float) -> None:
        self.seconds.append((model, duration, seconds))


def submit(sim: Simulator, count: int, *, model: str = MODEL, duration: int = 5) -> list[str]:
    """Create requests; return their ids."""
    with GMIClient(sim.api_key, sim.base_url) as client:
        payload = {"prompt": "a prompt", "duration": str(duration), "sound": "off"}
        return [client.submit(model, payload).request_id for _ in range(count)]


def wait_of(request_id: str, seconds: float = 60, **fields: Any) -> Wait:
    now = time.time()
    return Wait(**({"request_id": request_id, "started_at": now, "deadline": now + seconds} | fields))


@asynccontextmanager
async def polling(
    base_url: str,
    key: str = "key",
    metrics: CountedMetrics | None = None,
    max_calls_per_second: float = 1000.0,
) -> AsyncIterator[Poller]:
    """Yield the running loop's poller, and end it with everything it opened."""
    poller = poller_of(
        AsyncGMIClient(key, base_url), max_calls_per_second=max_calls_per_second, metrics=metrics
    )
    try:
        yield poller
    finally:
        if poller.task is not None:
            poller.task.cancel()
            await asyncio.gather(poller.task, return_exceptions=True)


async def until_end(
    poller: Poller, wait: Wait, *, interval: float = 0.5, model: str = MODEL
) -> Request | KlingError:
    """Wait as a trigger does."""
    with poller.add_waiter(wait, model=model, interval=interval) as waiter:
        while (end := await waiter.result(within=5)) is None:
            pass
        return end


async def eventually(condition: Callable[[], bool], within: float = 20) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
