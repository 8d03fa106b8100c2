"""Calls the webhooks of requests that have ended; that the service sends the record is assumed."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.queue.records import record

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.requests import QueueRequest

log = logging.getLogger(__name__)
TIMEOUT = 10.0


class Webhooks:
    """Tells each address once, in the background; a call that fails is logged and not made again."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def call(self, request: QueueRequest, now: float, base_url: str) -> None:
        """Send the record of a request that has ended to its webhook.

        :param now: the moment that the record shows.
        """
        body = record(request, max(now, request.finished_at or now), base_url)
        task = asyncio.get_running_loop().create_task(_send(str(request.webhook), body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up the calls that are on their way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _send(url: str, body: dict[str, Any]) -> None:
    import aiohttp

    try:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.post(url, json=body) as answer:
            log.info("The webhook %s answered %s", url, answer.status)
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        log.warning("The webhook %s can't be called: %s", url, type(error).__name__)
