"""The ways to wait that are compared: each is a trigger that Airflow could run."""

from __future__ import annotations

import asyncio
import os
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

Make = Callable[[str], BaseTrigger]
ROOT = "/api/v1/ie/requestqueue/apikey/requests/"


class _ById(BaseTrigger):
    """What the other ways have in common: a read by id, then a sleep."""

    def __init__(self, request_id: str, interval: float) -> None:
        super().__init__()
        self.request_id = request_id
        self.interval = interval
        self.url = os.environ["BENCH_URL"] + ROOT + request_id
        self.headers = {"Authorization": f"Bearer {os.environ['BENCH_KEY']}"}

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow would store."""
        return f"{__name__}.{type(self).__name__}", {"request_id": self.request_id, "interval": self.interval}

    @abstractmethod
    async def look(self) -> dict[str, Any]:
        """Return the record."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Read until the request is terminal."""
        while (await self.look())["status"] not in ("success", "failed", "cancelled"):  # noqa: ASYNC110
            await asyncio.sleep(self.interval)
        yield TriggerEvent({"status": "success"})


class SessionPerPoll(_ById):
    """The usual deferrable trigger: a session for each poll, the connection read once (dbt-cloud 4.11)."""

    connection: Any = None

    async def look(self) -> dict[str, Any]:
        """Return the record."""
        import aiohttp

        from kling_airflow.airflow_compat import get_async_connection

        if self.connection is None:
            self.connection = await get_async_connection("bench")
        headers = {"Authorization": f"Bearer {self.connection.password}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(self.url) as response,
        ):
            record: dict[str, Any] = await response.json()
            return record


class InThread(_ById):
    """A blocking client in a thread, one for each trigger (as the anthropic and common-ai triggers do)."""

    session: Any = None

    async def look(self) -> dict[str, Any]:
        """Return the record."""
        return await asyncio.to_thread(self._get)

    def _get(self) -> dict[str, Any]:
        import requests

        if self.session is None:
            self.session = requests.Session()
            self.session.headers.update(self.headers)
        record: dict[str, Any] = self.session.get(self.url, timeout=60).json()
        return record


class Bare(_ById):
    """The minimum: only GETs on one session."""

    session: Any = None

    async def look(self) -> dict[str, Any]:
        """Return the record."""
        import aiohttp

        if Bare.session is None:
            Bare.session = aiohttp.ClientSession(
                headers=self.headers, connector=aiohttp.TCPConnector(limit=8)
            )
        async with Bare.session.get(self.url) as response:
            record: dict[str, Any] = await response.json()
            return record


def ours(interval: float, window: float, model: str, *, share: bool) -> Make:
    """Return our trigger's factory.

    :param share: whether list calls are used.
    """
    from kling_airflow.polling.list_scan import ListUsage
    from kling_airflow.triggers.request import GMICloudRequestTrigger

    if not share:
        ListUsage.is_worth_reading = lambda *_: False  # type: ignore[method-assign]

    def make(request_id: str) -> BaseTrigger:
        now = time.time()
        return GMICloudRequestTrigger(
            gmi_conn_id="bench",
            request_id=request_id,
            model=model,
            poll_interval=interval,
            started_at=now,
            deadline=now + 10 * window,
        )

    return make


def way(name: str, interval: float, window: float, model: str) -> Make:
    """Return the factory of a way by its name."""
    if name.startswith("ours"):
        return ours(interval, window, model, share=name == "ours")
    kind = {"session-per-poll": SessionPerPoll, "to-thread": InThread, "bare": Bare}[name]
    return lambda request_id: kind(request_id, interval)
