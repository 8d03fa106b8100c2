"""The trigger of a storyboard over real HTTP: one event for many requests, and when it fires."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.gmi.client import GMIClient
from kling_airflow.polling.poller import POLLERS_BY_LOOP
from kling_airflow.simulator import Simulator
from kling_airflow.triggers.storyboard import GMICloudStoryboardTrigger
from tests.airflow_context import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "kling-v3-text-to-video"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(transitions="reads", reads_per_step=1, render="fast", submit_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    running.reset()
    connect(monkeypatch, running.base_url, running.api_key)
    return running


def submit(simulator: Simulator, count: int, prompt: str = "Stars.") -> list[str]:
    payload = {"prompt": prompt, "duration": "3", "sound": "off", "aspect_ratio": "16:9"}
    with GMIClient(simulator.api_key, simulator.base_url) as client:
        return [client.submit(MODEL, payload).request_id for _ in range(count)]


def trigger(ids: list[str], **fields: Any) -> GMICloudStoryboardTrigger:
    now = time.time()
    usual: dict[str, Any] = {
        "gmi_conn_id": "gmi_cloud_default",
        "requests": {f"s{n}": [each, now + 60, 0] for n, each in enumerate(ids)},
        "models": [MODEL],
        "started_at": now,
        "poll_interval": 0.01,
        "gather": 60,
    }
    return GMICloudStoryboardTrigger(**(usual | fields))


def fired(made: GMICloudStoryboardTrigger) -> dict[str, Any]:
    async def collect() -> list[Any]:
        return [event.payload async for event in made.run()]

    (event,) = asyncio.run(asyncio.wait_for(collect(), 30))
    json.dumps(event)
    return event  # type: ignore[no-any-return]


def test_one_event_when_all_have_ended(simulator: Simulator) -> None:
    ids = submit(simulator, 8)
    event = fired(trigger(ids))
    assert sorted(event["ended"]) == [f"s{n}" for n in range(8)]
    assert {end["clip"]["request_id"] for end in event["ended"].values()} == set(ids)


def test_many_requests_are_read_with_few_calls(simulator: Simulator) -> None:
    """All of them share the poller, which reads lists."""
    fired(trigger(submit(simulator, 40)))
    calls = simulator.calls()
    assert calls.get("GET /requests", 0) >= 1
    assert calls.get("GET /requests/{id}", 0) < 40


def test_how_a_request_has_failed_is_said(simulator: Simulator) -> None:
    simulator.faults.add("failed-content-policy", contains="bad")
    good, bad = submit(simulator, 1), submit(simulator, 1, prompt="bad")
    ended = fired(trigger([*good, *bad]))["ended"]
    assert ended["s0"]["state"] == "done"
    assert (ended["s1"]["state"], ended["s1"]["money"]) == ("failed", "NOT_BILLED")


def test_it_fires_when_others_take_long(simulator: Simulator) -> None:
    simulator.faults.add("stuck-queued", contains="slow", times=9)
    ids = [*submit(simulator, 2), *submit(simulator, 1, prompt="slow")]
    event = fired(trigger(ids, gather=0.2))
    assert sorted(event["ended"]) == ["s0", "s1"]


def test_it_fires_when_a_shot_is_to_be_submitted_again(simulator: Simulator) -> None:
    simulator.faults.add("stuck-queued", contains="slow", times=9)
    began = time.time()
    assert fired(trigger(submit(simulator, 1, prompt="slow"), wake_at=began + 0.3)) == {"ended": {}}
    assert fired(trigger([], wake_at=began + 0.5)) == {"ended": {}}
    assert time.time() - began >= 0.5


def test_each_request_has_a_deadline_of_its_own(simulator: Simulator) -> None:
    simulator.faults.add("stuck-queued", contains="slow", times=9)
    now, ids = time.time(), submit(simulator, 2, prompt="slow")
    made = trigger(ids, requests={"a": [ids[0], now + 0.3, 0], "b": [ids[1], now + 60, 0]}, gather=0)
    ended = fired(made)["ended"]
    assert {name: end["state"] for name, end in ended.items()} == {"a": "timeout"}


def test_it_comes_back_from_the_database_as_it_was() -> None:
    made = trigger(["r-1"], wake_at=5.0, new_argument=1)
    path, kwargs = made.serialize()
    again = GMICloudStoryboardTrigger(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == (path, kwargs)
    assert kwargs["new_argument"] == 1


@pytest.mark.parametrize("values", [["r"], ["r", "soon", 0], ["r", 5.0, 7], [None, 5.0, 0]])
def test_arguments_that_can_not_be_used_end_the_wait(values: list[Any]) -> None:
    assert "can't be used" in fired(trigger([], requests={"a": values}))["error"]


@pytest.mark.parametrize(("state", "cancelled"), [("failed", True), ("queued", False), ("skipped", False)])
def test_a_kill_cancels_only_for_a_user(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, state: str, cancelled: bool
) -> None:
    ids = submit(simulator, 3)
    made = trigger(ids, cancel_on_kill=True)
    ti = SimpleNamespace(dag_id="d", run_id="r", task_id="t", map_index=-1)
    made.task_instance = ti  # the triggerer sets it
    monkeypatch.setattr("kling_airflow.task_instance.state.instance_states", lambda *_: {"r": {"t": state}})
    asyncio.run(made.on_kill())
    with GMIClient(simulator.api_key, simulator.base_url) as client:
        states = {str(client.get(each).status) for each in ids}
    assert ("cancelled" in states) is cancelled


async def first(made: GMICloudStoryboardTrigger) -> Any:
    return await anext(made.run())


def test_a_cancelled_trigger_leaves_no_waiter(simulator: Simulator) -> None:
    simulator.faults.add("stuck-queued", contains="slow", times=9)
    made = trigger(submit(simulator, 5, prompt="slow"))

    async def cancel() -> int:
        task = asyncio.create_task(first(made))
        async with asyncio.timeout(20):
            while not POLLERS_BY_LOOP.get(asyncio.get_running_loop()):
                await asyncio.wait([task], timeout=0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        (poller,) = POLLERS_BY_LOOP[asyncio.get_running_loop()].values()
        return len(poller.schedule)

    assert asyncio.run(cancel()) == 0
