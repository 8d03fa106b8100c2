"""Whatever the list does, each end is noticed within two looks, over real HTTP."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.gmi.request import Request
from kling_airflow.simulator import Simulator
from tests.polling.waiting import MODEL, CountedMetrics, polling, submit, until_end, wait_of

if TYPE_CHECKING:
    from collections.abc import Iterator

INTERVAL = 0.5
COUNT = 24
# What a busy machine adds; the queue's stamps are whole seconds.
SLOW = 2.0


@pytest.fixture(scope="module")
def module_simulator() -> Iterator[Simulator]:
    with Simulator(speed=80, render="fast", submit_seconds=0.0) as simulator:
        yield simulator


@pytest.fixture
def sim(module_simulator: Simulator) -> Simulator:
    module_simulator.reset()
    return module_simulator


async def wait_for_all(
    sim: Simulator, ids: list[str], metrics: CountedMetrics
) -> dict[str, tuple[Any, float]]:
    async def wait_for(request_id: str) -> tuple[str, Any, float]:
        end = await until_end(poller, wait_of(request_id), interval=INTERVAL)
        return request_id, end, time.time()

    async with polling(sim.base_url, sim.api_key, metrics) as poller:
        ends = await asyncio.gather(*map(wait_for, ids))
    return {request_id: (end, at) for request_id, end, at in ends}


def ended_at(sim: Simulator) -> dict[str, float]:
    return sim._call(
        lambda service: {request.request_id: request.finished_at or 0.0 for request in service.store}
    )


FAULTS: dict[str, list[dict[str, Any]]] = {
    "none": [],
    "lag": [{"name": "list-lag", "lag": 30.0}],
    "empty": [{"name": "list-empty"}],
    "no has_more": [{"name": "list-no-has-more"}],
    "ignores limit": [{"name": "list-ignores-limit"}],
    "ignores offset": [{"name": "list-ignores-offset"}],
    "mixed models": [{"name": "list-mixed-models"}],
    "no outcomes": [{"name": "list-no-outcomes"}],
    "no payloads": [{"name": "list-no-payloads"}],
    "padded": [{"name": "list-padded", "bytes": 1_000_000}],
    "refused": [{"name": "http-error", "status": 403, "call": "GET /requests", "times": 10_000}],
    "gone": [{"name": "http-error", "status": 405, "call": "GET /requests", "times": 10_000}],
    "failing": [{"name": "bad-gateway", "call": "GET /requests", "times": 10_000}],
    "cut off": [{"name": "cut-off", "call": "GET /requests", "times": 10_000}],
    "no JSON": [{"name": "invalid-json", "call": "GET /requests", "times": 10_000}],
    "failing now and then": [{"name": "bad-gateway", "call": "GET /requests", "probability": 0.5}],
    "hidden by id": [{"name": "http-error", "status": 404, "call": "GET /requests/{id}", "times": 10_000}],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_end_is_noticed_in_time(sim: Simulator, fault: str) -> None:
    ids = submit(sim, COUNT)
    for values in FAULTS[fault]:
        sim.faults.add(**values)
    metrics = CountedMetrics()
    began = time.time()
    seen = asyncio.run(wait_for_all(sim, ids, metrics))
    ends = ended_at(sim)
    assert len(seen) == COUNT
    for request_id, (end, at) in seen.items():
        assert isinstance(end, Request), end
        assert end.outcome.video_url
        assert end.duration == 5, "the clip is complete"
        assert at - max(ends[request_id], began) <= 2 * INTERVAL + SLOW
    if fault == "none":
        looks = (max(ends.values()) - began) / INTERVAL
        assert sum(metrics.calls.values()) < looks * COUNT / 3
        assert sum(metrics.calls.values()) < looks * 4 + 10


def test_a_list_that_is_a_few_seconds_behind_delays_no_wait() -> None:
    """It shows every request, and each end five seconds late."""
    with Simulator(speed=20, render="fast", submit_seconds=0.0) as sim:
        ids = submit(sim, COUNT)
        sim.faults.add("list-lag", lag=5.0)
        seen = asyncio.run(wait_for_all(sim, ids, CountedMetrics()))
        ends = ended_at(sim)
    assert max(at - ends[request_id] for request_id, (_, at) in seen.items()) <= 2 * INTERVAL + SLOW


def test_a_long_list_of_other_requests_is_not_read_to_its_end(sim: Simulator) -> None:
    ours = submit(sim, 12, duration=15)
    submit(sim, 400)
    metrics = CountedMetrics()
    seen = asyncio.run(wait_for_all(sim, ours, metrics))
    assert all(isinstance(end, Request) for end, _ in seen.values())
    assert metrics.calls["list", "ok"] < 40


def test_a_wrong_model_is_corrected(sim: Simulator) -> None:
    ids = submit(sim, 8)
    metrics = CountedMetrics()

    async def run() -> list[Any]:
        async with polling(sim.base_url, sim.api_key, metrics) as poller:
            return await asyncio.gather(
                *(until_end(poller, wait_of(one), model="kling-v3-omni", interval=INTERVAL) for one in ids)
            )

    assert all(isinstance(end, Request) and end.model == MODEL for end in asyncio.run(run()))
    assert metrics.calls["list", "ok"] >= 1


def test_an_outcome_that_the_list_lacks_is_read_once_by_id(sim: Simulator) -> None:
    ids = submit(sim, COUNT)
    sim.faults.add("list-no-outcomes")
    metrics = CountedMetrics()
    asyncio.run(wait_for_all(sim, ids, metrics))
    by_id = sim._call(lambda service: [request.calls["GET /requests/{id}"] for request in service.store])
    # One read each for the outcome. The other reads compare the list with a record, or replace a list that
    # can't prove how recent it is.
    assert min(by_id) >= 1
    assert sum(by_id) < 4 * COUNT


def test_a_failed_request_gives_its_reason(sim: Simulator) -> None:
    ids = submit(sim, 6)
    sim.faults.add("failed", request_id=ids[0], reason="content policy", after=1.0)
    sim.faults.add("list-no-outcomes")
    seen = asyncio.run(wait_for_all(sim, ids, CountedMetrics()))
    assert "content policy" in str(seen[ids[0]][0])
    assert sum(isinstance(end, Request) for end, _ in seen.values()) == 5
