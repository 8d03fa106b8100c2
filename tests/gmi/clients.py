"""Both clients behind one synchronous interface, so that each test of a call runs over both transports."""

from __future__ import annotations

import asyncio
from typing import Any

from kling_airflow.gmi.async_client import AsyncGMIClient
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.retries import Retries

FAST = Retries(attempts=3, base=0.01, longest=2.0)
KEY = "key-that-must-never-be-seen"


class SyncFace:
    """Calls a ``GMIClient``."""

    retries = FAST

    def __init__(self, base_url: str, key: str = KEY, organization_id: str | None = None) -> None:
        self.arguments = (key, base_url, organization_id)

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        with GMIClient(*self.arguments, retries=self.retries) as client:
            result = getattr(client, name)(*arguments, **named)
            return list(result) if name == "list_requests" else result


class AsyncFace(SyncFace):
    """Calls an ``AsyncGMIClient`` in a loop of its own."""

    def call(self, name: str, *arguments: Any, **named: Any) -> Any:
        async def run() -> Any:
            async with AsyncGMIClient(*self.arguments, retries=self.retries) as client:
                if name == "list_requests":
                    return [request async for request in client.list_requests(*arguments, **named)]
                return await getattr(client, name)(*arguments, **named)

        return asyncio.run(run())
