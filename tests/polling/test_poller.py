"""A poller with many waiters, over real HTTP: which waits end, and what the poller leaves behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.errors import (
    GenerationTimeout,
    InvalidArgument,
    NotFound,
    PollerCrashed,
    Unauthorized,
    Unreachable,
)
from kling_airflow.gmi.async_client import AsyncGMIClient
from kling_airflow.gmi.request import Request
from kling_airflow.polling import decision
from kling_airflow.polling.decision import Wait
from kling_airflow.polling.poller import POLLERS_BY_LOOP, Poller, poller_of
from kling_airflow.polling.round import Round
from kling_airflow.simulator import Account, Simulator
from tests.gmi.scripted import answer, reset, scripted
from tests.polling.waiting import MODEL, CountedMetrics, eventually, polling, submit, until_end, wait_of

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUED = answer(200, json.dumps({"request_id": "a", "status": "queued"}))
DONE = answer(
    200, json.dumps({"request_id": "a", "status": "success", "outcome": {"video_url": "https://m/a.mp4"}})
)


@pytest.fixture(scope="module")
def slow_simulator() -> Iterator[Simulator]:
    """Nothing ends by itself."""
    accounts = [Account(key="one"), Account(key="two", name="two", organization="other")]
    settings: dict[str, Any] = {"generation_seconds": 1e6, "submit_seconds": 0.0, "accounts": accounts}
    with Simulator(render="fast", **settings) as simulator:
        yield simulator


@pytest.fixture
def sim(slow_simulator: Simulator) -> Simulator:
    slow_simulator.reset()
    return slow_simulator


def finish(sim: Simulator, *ids: str) -> None:
    """Let requests fail at once."""
    for one in ids:
        sim.faults.add("failed", request_id=one, reason="as ordered", after=0.0)


async def test_cancelling_one_waiter_cancels_no_other(sim: Simulator) -> None:
    """The cancel comes during a shared call, with the message of a user's action."""
    ids = submit(sim, 8)
    sim.faults.add("late-answer", call="GET /requests", seconds=0.5, times=1)
    async with polling(sim.base_url, "one") as poller:
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.3)) for one in ids]
        await eventually(lambda: sim.calls().get("GET /requests", 0) >= 1)
        for task in tasks[:4]:
            task.cancel("user-action")
        gone = await asyncio.gather(*tasks[:4], return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in gone)
        assert len(poller.schedule) == 4
        finish(sim, *ids)
        ends = await asyncio.gather(*tasks[4:])
    assert all("as ordered" in str(end) for end in ends)


async def test_two_waiters_of_one_request_share_its_looks_and_end_separately(sim: Simulator) -> None:
    (one,) = submit(sim, 1)
    async with polling(sim.base_url, "one") as poller:
        first = asyncio.create_task(until_end(poller, wait_of(one), interval=0.2))
        second = asyncio.create_task(until_end(poller, wait_of(one), interval=0.2))
        third = asyncio.create_task(until_end(poller, wait_of(one, seconds=0.3), interval=0.2))
        assert isinstance(await third, GenerationTimeout)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        assert len(poller.schedule) == 1
        finish(sim, one)
        assert "as ordered" in str(await second)


async def test_a_crash_raises_a_separate_exception_in_each_waiter(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = submit(sim, 3)

    async def break_down(*_: object) -> None:
        raise RuntimeError("a defect")

    async with polling(sim.base_url, "one") as poller:
        with monkeypatch.context() as patched:
            patched.setattr(Round, "run", break_down)
            ends = await asyncio.gather(
                *(until_end(poller, wait_of(one)) for one in ids), return_exceptions=True
            )
    assert all(isinstance(end, PollerCrashed) and "a defect" in str(end) for end in ends)
    assert len({id(end) for end in ends}) == 3
    assert poller.closed

    # The next waiter starts it again.
    async with polling(sim.base_url, "one") as again:
        assert again is not poller
        task = asyncio.create_task(until_end(again, wait_of(ids[0]), interval=0.2))
        finish(sim, ids[0])
        assert "as ordered" in str(await task)


async def test_a_cancelled_poll_task_ends_each_wait(sim: Simulator) -> None:
    (one,) = submit(sim, 1)
    async with polling(sim.base_url, "one") as poller:
        task = asyncio.create_task(until_end(poller, wait_of(one)))
        await eventually(lambda: poller.task is not None)
        assert poller.task is not None
        poller.task.cancel()
        with pytest.raises(PollerCrashed):
            await task


async def test_its_log_lines_are_not_in_a_tasks_log(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """Airflow routes log lines by a context variable that a trigger's task has set."""
    whose: contextvars.ContextVar[str] = contextvars.ContextVar("whose", default="no task")
    records: list[str] = []

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(whose.get())

    ids = submit(sim, 8)
    sim.faults.add("http-error", status=405, call="GET /requests", times=100)
    logger, handler = logging.getLogger("kling_airflow.polling"), Recorder()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        async with polling(sim.base_url, "one") as poller:
            whose.set("a task")
            tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.2)) for one in ids]
            await eventually(lambda: bool(records))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert set(records) == {"no task"}


async def test_after_the_last_waiter_no_task_and_no_socket_is_left(sim: Simulator) -> None:
    ids = submit(sim, 20)
    before = asyncio.all_tasks()
    client = AsyncGMIClient("one", sim.base_url)
    poller = Poller(client, max_calls_per_second=1000, idle_seconds=0.2)
    tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.2)) for one in ids]
    await asyncio.sleep(0.5)
    assert len(asyncio.all_tasks() - before) <= len(ids) + 1 + 8, "each waiter, one poll, its calls"
    for task in tasks[:10]:
        task.cancel()
    finish(sim, *ids)
    await asyncio.gather(*tasks, return_exceptions=True)
    await eventually(lambda: poller.closed and asyncio.all_tasks() == before)
    assert client.closed
    assert len(poller.schedule) == 0


async def test_a_waiter_that_comes_while_the_poller_is_idle_uses_the_same_poller(sim: Simulator) -> None:
    first, second = submit(sim, 2)
    finish(sim, first, second)
    async with polling(sim.base_url, "one") as poller:
        await until_end(poller, wait_of(first), interval=0.1)
        task = poller.task
        await until_end(poller, wait_of(second), interval=0.1)
        assert poller.task is task


async def test_one_poller_for_a_base_url_an_organization_and_a_key() -> None:
    def of(*arguments: Any, max_calls_per_second: float = 50.0) -> Any:
        return poller_of(AsyncGMIClient(*arguments), max_calls_per_second=max_calls_per_second)

    mine = of("key", "http://a")
    assert of("key", "http://a/") is mine
    assert (
        len(
            {
                id(one)
                for one in (mine, of("other", "http://a"), of("key", "http://b"), of("key", "http://a", "o"))
            }
        )
        == 4
    )
    of("key", "http://a", max_calls_per_second=5.0)
    assert mine.rate_limiter.max_rate == 5
    assert "key" not in repr(list(POLLERS_BY_LOOP[asyncio.get_running_loop()]))


def test_a_closed_loop_keeps_no_poller() -> None:
    async def wait() -> None:
        with scripted(DONE) as server:
            await until_end(poller_of(AsyncGMIClient("key", server.url)), wait_of("a"), interval=0.1)

    gc.collect()
    before = len(POLLERS_BY_LOOP)
    asyncio.run(wait())
    gc.collect()
    assert len(POLLERS_BY_LOOP) <= before


async def test_a_refused_key_ends_every_wait_with_a_few_calls(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision, "REFUSED_SECONDS", 1.0)
    ids = submit(sim, 20)
    began = time.monotonic()
    async with polling(sim.base_url, "wrong") as poller:
        ends = await asyncio.gather(*(until_end(poller, wait_of(one), interval=0.5) for one in ids))
    assert time.monotonic() - began >= 1.0
    assert all(isinstance(end, Unauthorized) for end in ends)
    assert len({id(end) for end in ends}) == 20
    assert {end.request_id for end in ends if isinstance(end, Unauthorized)} == set(ids)
    calls = sim.calls()
    rounds = (time.monotonic() - began) / 0.4 + 1
    assert calls["GET /requests/{id}"] <= 8 + rounds, "after the first round, one read stands for all"
    assert calls["GET /requests"] <= 2 + rounds, "the list once, and in each round one check of the key"


async def test_a_key_that_is_refused_for_a_while_ends_no_wait(sim: Simulator) -> None:
    ids = submit(sim, 20)
    metrics = CountedMetrics()
    fault = sim.faults.add("key-refused")
    async with polling(sim.base_url, "one", metrics) as poller:
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.3)) for one in ids]
        await eventually(lambda: metrics.calls["id", "unauthorized"] >= 10)
        assert not any(task.done() for task in tasks)
        sim.faults.remove(fault)
        finish(sim, *ids)
        ends = await asyncio.gather(*tasks)
    assert all("as ordered" in str(end) for end in ends)


async def test_a_gateway_that_forbids_is_no_refusal_of_the_key(sim: Simulator) -> None:
    ids = submit(sim, 5)
    metrics = CountedMetrics()
    fault = sim.faults.add("gateway-forbids")
    async with polling(sim.base_url, "one", metrics) as poller:
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.2)) for one in ids]
        await eventually(lambda: metrics.calls["id", "failed"] + metrics.calls["list", "failed"] >= 2)
        sim.faults.remove(fault)
        finish(sim, *ids)
        ends = await asyncio.gather(*tasks)
    assert metrics.calls["id", "unauthorized"] == 0
    assert all("as ordered" in str(end) for end in ends)


async def test_a_waiter_whose_look_raises_ends_alone(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, *good = submit(sim, 4)
    whole = Wait.decide

    def decide(self: Wait, *given: Any, **named: Any) -> Any:
        if self.request_id == bad:
            raise TypeError("odd")
        return whole(self, *given, **named)

    monkeypatch.setattr(Wait, "decide", decide)
    async with polling(sim.base_url, "one") as poller:
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.2)) for one in good]
        with pytest.raises(PollerCrashed, match="odd"):
            await until_end(poller, wait_of(bad), interval=0.2)
        assert not poller.closed
        finish(sim, *good)
        assert all("as ordered" in str(end) for end in await asyncio.gather(*tasks))


@pytest.mark.parametrize("field", ["unreachable_after", "deadline", "started_at", "request_id"])
async def test_a_waiter_with_an_odd_value_is_refused_and_harms_no_other(sim: Simulator, field: str) -> None:
    (one,) = submit(sim, 1)
    async with polling(sim.base_url, "one") as poller:
        task = asyncio.create_task(until_end(poller, wait_of(one), interval=0.2))
        with pytest.raises(InvalidArgument, match=field):
            await until_end(poller, replace(wait_of("b"), **{field: object()}))
        finish(sim, one)
        assert "as ordered" in str(await task)


async def test_a_refused_request_ends_no_other_wait(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, other = submit(sim, 2)
    sim.faults.add("http-error", status=403, call="GET /requests/{id}", request_id=other, times=10_000)
    monkeypatch.setattr(decision, "REFUSED_SECONDS", 0.5)
    async with polling(sim.base_url, "one") as poller:
        alone = asyncio.create_task(until_end(poller, wait_of(mine), interval=0.2))
        assert isinstance(await until_end(poller, wait_of(other), interval=0.2), Unauthorized)
        assert not alone.done()
        finish(sim, mine)
        assert "as ordered" in str(await alone)


async def test_429_slows_the_whole_connection(sim: Simulator) -> None:
    ids = submit(sim, 3)
    sim.faults.add("rate-limited", call="GET /requests/{id}", retry_after=2, times=1)
    metrics = CountedMetrics()
    async with polling(sim.base_url, "one", metrics) as poller:
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.1)) for one in ids]
        await eventually(lambda: bool(metrics.pauses))
        made = sum(sim.calls().values())
        await asyncio.sleep(1.0)
        assert sum(sim.calls().values()) <= made + 2, "those that were under way"
        finish(sim, *ids)
        await asyncio.gather(*tasks)
    assert metrics.pauses[0] == (2.0, True)
    assert metrics.calls["id", "limited"] == 1


async def test_the_rate_limit_is_kept(sim: Simulator) -> None:
    ids = submit(sim, 4)
    async with polling(sim.base_url, "one", max_calls_per_second=5.0) as poller:
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.05)) for one in ids]
        await asyncio.sleep(2.0)
        made = sim.calls()["GET /requests/{id}"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert 4 <= made <= 13


async def test_an_outage_costs_a_few_calls_and_ends_no_wait(sim: Simulator) -> None:
    ids = submit(sim, 100)
    fault = sim.faults.add("bad-gateway", call="GET /requests/{id}", times=100_000)
    other = sim.faults.add("bad-gateway", call="GET /requests", times=100_000)
    before = sum(sim.calls().values())
    async with polling(sim.base_url, "one") as poller:
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.2)) for one in ids]
        await asyncio.sleep(2.5)
        assert sum(sim.calls().values()) - before < 40, "not a call each"
        sim.faults.remove(fault)
        sim.faults.remove(other)
        finish(sim, *ids)
        ends = await asyncio.gather(*tasks)
    assert all("as ordered" in str(end) for end in ends)


async def test_a_long_outage_ends_every_wait_after_unreachable_after(sim: Simulator) -> None:
    ids = submit(sim, 30)
    sim.faults.add("bad-gateway", call="GET /requests/{id}", times=100_000)
    sim.faults.add("bad-gateway", call="GET /requests", times=100_000)
    async with polling(sim.base_url, "one") as poller:
        # It began long ago, but this process has only just begun to ask.
        waits = [
            wait_of(one, unreachable_after=1.5, started_at=time.time() - 1000, deadline=time.time() + 60)
            for one in ids
        ]
        began = time.time()
        ends = await asyncio.gather(*(until_end(poller, wait, interval=0.2) for wait in waits))
    assert all(isinstance(end, Unreachable) for end in ends)
    assert 1.5 <= time.time() - began < 15
    assert sim.calls()["GET /requests/{id}"] < 40


async def test_one_request_that_always_fails_delays_no_other(sim: Simulator) -> None:
    bad, *good = submit(sim, 4)
    sim.faults.add("http-error", status=500, call="GET /requests/{id}", request_id=bad)
    async with polling(sim.base_url, "one") as poller:
        stuck = asyncio.create_task(until_end(poller, wait_of(bad, unreachable_after=1.0), interval=0.2))
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.2)) for one in good]
        await asyncio.sleep(1.5)
        finish(sim, *good)
        began = time.time()
        await asyncio.gather(*tasks)
        assert time.time() - began < 4
        assert not stuck.done(), "the queue answers: it is not unreachable"
        stuck.cancel()
        await asyncio.gather(stuck, return_exceptions=True)


async def test_the_last_look_is_at_the_deadline() -> None:
    with scripted(QUEUED, DONE) as server:
        async with polling(server.url) as poller:
            end = await until_end(poller, wait_of("a", seconds=1.0), interval=30)
    assert isinstance(end, Request)


@pytest.mark.parametrize(
    "step", [QUEUED, reset, answer(429, Retry_After="600")], ids=["queued", "reset", "429"]
)
async def test_the_wait_ends_after_the_deadline_and_a_grace(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kling_airflow.polling.waiter.DEADLINE_GRACE", 0.5)
    with scripted(step) as server:
        async with polling(server.url) as poller:
            began = time.time()
            # Its first look comes after half a second; a pause of the connection outlasts the deadline.
            end = await until_end(poller, wait_of("a", seconds=1.5), interval=30)
    assert isinstance(end, GenerationTimeout)
    assert 1.4 < time.time() - began < 7


async def test_an_unknown_id_is_pending_at_first() -> None:
    with scripted(answer(404, "{}"), answer(404, "{}"), DONE) as server:
        async with polling(server.url) as poller:
            assert isinstance(await until_end(poller, wait_of("a"), interval=0.05), Request)
    with scripted(answer(404, "{}")) as server:
        async with polling(server.url) as poller:
            old = wait_of("a", started_at=time.time() - 400)
            assert isinstance(await until_end(poller, old, interval=0.05), NotFound)


async def test_the_metrics_of_a_wait(sim: Simulator) -> None:
    ids = submit(sim, 8)
    metrics = CountedMetrics()
    async with polling(sim.base_url, "one", metrics) as poller:
        tasks = [asyncio.create_task(until_end(poller, wait_of(one), interval=0.3)) for one in ids]
        await eventually(lambda: 8 in metrics.in_flights)
        finish(sim, *ids)
        await asyncio.gather(*tasks)
    assert metrics.calls["list", "ok"] >= 1
    assert len(metrics.lags) == 8
    assert max(metrics.lags) < 10
    assert metrics.seconds == [], "nothing was generated"


async def test_a_waiter_knows_its_last_look_and_its_next(sim: Simulator) -> None:
    (one,) = submit(sim, 1)
    loop = asyncio.get_running_loop()
    async with polling(sim.base_url, "one") as poller:
        with poller.add_waiter(wait_of(one), model=MODEL, interval=5.0) as waiter:
            assert await waiter.result(within=2.0) is None
            assert isinstance(waiter.last_seen, Request)
            assert 0 < (waiter.next_look_at or 0) - loop.time() <= 5


async def test_a_clip_quicker_than_all_before_it_is_noticed_within_an_interval(sim: Simulator) -> None:
    """Durations of other clips set the order of looks; they delay no look."""
    (one,) = submit(sim, 1)
    async with polling(sim.base_url, "one") as poller:
        for _ in range(5):
            poller.durations.record((MODEL, 5), 300.0, asyncio.get_running_loop().time())
        waiting = asyncio.create_task(until_end(poller, wait_of(one), interval=1.0))
        tracked = poller.schedule.tracked
        await eventually(lambda: one in tracked and tracked[one].likely_end_at > 0)
        finish(sim, one)
        async with asyncio.timeout(2.5):
            await waiting


async def test_a_progress_line_comes_with_a_look(sim: Simulator) -> None:
    (one,) = submit(sim, 1)
    async with polling(sim.base_url, "one") as poller:
        with poller.add_waiter(wait_of(one), model=MODEL, interval=0.3) as waiter:
            for _ in range(2):
                assert await waiter.result(within=0.9) is None
                assert waiter.next_look_at is not None
                told_after = 0.3 - (waiter.next_look_at - asyncio.get_running_loop().time())
                assert told_after < 0.15, "just after a look, not between two"
