"""A key that is rotated ends no wait; a key that stays refused ends the wait with the connection's name."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from kling_airflow.polling import decision
from kling_airflow.simulator import Account, Simulator
from kling_airflow.triggers import poller_connection
from kling_airflow.triggers.request import GMICloudRequestTrigger
from tests.airflow_context import connect
from tests.polling.waiting import MODEL, eventually, submit

OLD, NEW = "old-key", "new-key"


@pytest.fixture
def sim() -> Iterator[Simulator]:
    accounts = [Account(key=OLD), Account(key=NEW, name="new")]
    with Simulator(render="fast", generation_seconds=1e6, submit_seconds=0.0, accounts=accounts) as simulator:
        yield simulator


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Count the reads of the connection; let them be frequent."""
    from airflow.providers.common.compat import connection

    monkeypatch.setattr(poller_connection, "REUSE_SECONDS", 0.2)
    monkeypatch.setattr(poller_connection, "REREAD_SECONDS", 0.5)
    whole, times = connection.get_async_connection, []

    async def read(conn_id: str) -> Any:
        times.append(time.monotonic())
        return await whole(conn_id)

    monkeypatch.setattr(connection, "get_async_connection", read)
    return times


async def wait_for(request_id: str, seconds: float = 60.0) -> dict[str, Any]:
    now = time.time()
    trigger = GMICloudRequestTrigger(
        gmi_conn_id="gmi_cloud_default", request_id=request_id, model=MODEL, poll_interval=0.2,
        started_at=now, deadline=now + seconds,
    )  # fmt: skip
    (event,) = [event.payload async for event in trigger.run()]
    return event


def revoke(sim: Simulator, name: str = "default") -> None:
    sim.faults.add("key-refused", key=name)


async def test_a_rotated_key_ends_no_wait(
    sim: Simulator, reads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = submit(sim, 12)
    connect(monkeypatch, sim.base_url, OLD)
    async with asyncio.timeout(30):
        tasks = [asyncio.create_task(wait_for(one)) for one in ids]
        await eventually(lambda: sim.calls().get("GET /requests/{id}", 0) >= 12)
        revoke(sim)
        await asyncio.sleep(1.0)
        assert not any(task.done() for task in tasks), "the old key is refused, and the wait goes on"
        connect(monkeypatch, sim.base_url, NEW)
        for one in ids:
            sim.faults.add("failed", request_id=one, reason="as ordered", after=0.0)
        events = await asyncio.gather(*tasks)
    assert {event["state"] for event in events} == {"failed"}
    spaces = [after - before for before, after in pairwise(reads)]
    assert min(spaces[1:], default=1.0) >= 0.4, "twelve waiters share one read"


async def test_a_key_that_stays_refused_ends_the_wait_and_the_error_says_since_when(
    sim: Simulator, reads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision, "REFUSED_SECONDS", 1.5)
    (one,) = submit(sim, 1)
    connect(monkeypatch, sim.base_url, OLD)
    revoke(sim)
    began = time.time()
    event = await wait_for(one)
    assert time.time() - began >= 1.5
    assert event["state"] == "unauthorized"
    assert event["money"] == "HELD"
    assert event["request_id"] == one
    assert "`gmi_cloud_default`" in event["what"]
    assert re.search(r"since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", event["what"])
    assert OLD not in str(event)


async def test_a_new_key_counts_even_if_it_is_found_at_the_last_moment(
    sim: Simulator, reads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interval is longer than the time of refusal: the connection is read once more before the end."""
    monkeypatch.setattr(decision, "REFUSED_SECONDS", 0.0)
    (one,) = submit(sim, 1)
    connect(monkeypatch, sim.base_url, OLD)
    async with asyncio.timeout(30):
        task = asyncio.create_task(wait_for(one))
        await eventually(lambda: sim.calls().get("GET /requests/{id}", 0) >= 1)
        connect(monkeypatch, sim.base_url, NEW)
        await asyncio.sleep(0.6)
        revoke(sim)
        sim.faults.add("failed", request_id=one, reason="as ordered", after=0.0)
        assert (await task)["state"] == "failed"


async def test_while_the_connection_can_not_be_read_a_refusal_ends_no_wait(
    sim: Simulator, reads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.common.compat import connection

    monkeypatch.setattr(decision, "REFUSED_SECONDS", 0.5)
    (one,) = submit(sim, 1)
    connect(monkeypatch, sim.base_url, OLD)
    whole = connection.get_async_connection

    async def fail(conn_id: str) -> Any:
        raise RuntimeError("the secrets backend is down")

    async with asyncio.timeout(30):
        task = asyncio.create_task(wait_for(one))
        await eventually(lambda: sim.calls().get("GET /requests/{id}", 0) >= 1)
        monkeypatch.setattr(connection, "get_async_connection", fail)
        revoke(sim)
        await asyncio.sleep(2.0)
        assert not task.done()
        monkeypatch.setattr(connection, "get_async_connection", whole)
        connect(monkeypatch, sim.base_url, NEW)
        sim.faults.add("failed", request_id=one, reason="as ordered", after=0.0)
        assert (await task)["state"] == "failed"


async def test_a_page_of_a_gateway_is_no_refusal(
    sim: Simulator, reads: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision, "REFUSED_SECONDS", 0.0)
    (one,) = submit(sim, 1)
    connect(monkeypatch, sim.base_url, OLD)
    fault = sim.faults.add("gateway-forbids")
    async with asyncio.timeout(30):
        task = asyncio.create_task(wait_for(one))
        await asyncio.sleep(1.5)
        assert not task.done()
        sim.faults.remove(fault)
        sim.faults.add("failed", request_id=one, reason="as ordered", after=0.0)
        assert (await task)["state"] == "failed"
