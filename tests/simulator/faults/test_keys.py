"""Refused keys: for a time, by a gateway, and after a rotation."""

from __future__ import annotations

import pytest
import requests

from kling_airflow.simulator import Account, Simulator
from tests.simulator.client import GOOD, MODEL, Queue, message
from tests.simulator.fixture_types import Slow, Started

TWO_KEYS = [
    Account(key="old-key", name="old", organization="o"),
    Account(key="new-key", name="new", organization="o"),
]


def statuses(queue: Queue) -> set[int]:
    """The status codes of every call that needs a key."""
    calls = [
        ("GET", "/requests", None),
        ("GET", "/requests/x", None),
        ("DELETE", "/requests/x", None),
        ("GET", "/models", None),
        ("GET", f"/models/{MODEL}", None),
        ("POST", "/requests", {"model": MODEL, "payload": GOOD}),
        ("POST", "/upload-url", {"file_type": "png"}),
    ]
    return {queue.call(method, path, json=content).status_code for method, path, content in calls}


@pytest.mark.parametrize("status", [401, 403])
def test_every_call_is_refused_until_the_fault_is_removed(sim: Simulator, queue: Queue, status: int) -> None:
    fault_id = sim.faults.add("key-refused", status=status, message="no such key")
    assert statuses(queue) == {status}
    assert message(queue.call("GET", "/requests")) == "no such key"
    assert sim.ledger() == []
    sim.faults.remove(fault_id)
    assert queue.post(GOOD).status_code == 200


def test_refused_for_some_seconds(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("key-refused", for_seconds=60)
    assert statuses(queue) == {401}
    clock.advance(61)
    assert queue.call("GET", "/requests").status_code == 200


def test_only_one_key_is_refused(started: Started) -> None:
    simulator, old = started(accounts=TWO_KEYS)
    new = Queue(simulator.base_url, "new-key")
    request_id = old.submit()
    simulator.faults.add("key-refused", key="old")
    assert old.call("GET", f"/requests/{request_id}").status_code == 401
    assert new.get(request_id)["request_id"] == request_id


@pytest.mark.parametrize("status", [400, 402, 500])
def test_another_status_can_not_be_ordered(sim: Simulator, status: int) -> None:
    with pytest.raises(ValueError, match=f"status is {status}, want one of: 401, 403"):
        sim.faults.add("key-refused", status=status)


def test_gateway(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("gateway-forbids")
    assert statuses(queue) == {403}
    answer = queue.call("GET", "/requests")
    assert answer.headers["content-type"] == "text/html"
    assert "<title>403 Forbidden</title>" in answer.text


def test_rotation(sim: Simulator, queue: Queue) -> None:
    request_id = queue.submit()
    sim.rotate_key("the-new-key")
    assert (sim.api_key, Queue(sim.base_url, sim.api_key).get(request_id)["request_id"]) == (
        "the-new-key",
        request_id,
    )
    assert statuses(queue) == {401}
    sim.reset()
    assert (sim.api_key, queue.call("GET", "/requests").status_code) == ("gmi-simulator-key", 200)


def test_rotation_over_http(started: Started) -> None:
    simulator, old = started(accounts=TWO_KEYS)
    url = f"{simulator.base_url}/_simulator/keys/rotate"
    rotated = requests.post(url, json={"name": "old", "new_key": "third-key"}, timeout=5)
    assert rotated.status_code == 204
    assert old.call("GET", "/requests").status_code == 401
    for key in ("third-key", "new-key"):
        assert Queue(simulator.base_url, key).call("GET", "/requests").status_code == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"name": "nobody", "new_key": "k"}, "no key has the name 'nobody'"),
        ({"name": ["old"], "new_key": "k"}, "no key has the name ['old']"),
        ({"new_key": "k"}, "no key has the name None"),
        ({"name": "old", "new_key": ""}, "new_key is empty, no text, or in use"),
        ({"name": "old", "new_key": 5}, "new_key is empty, no text, or in use"),
        ({"name": "old", "new_key": "new-key"}, "new_key is empty, no text, or in use"),
        ([], "want a JSON object"),
    ],
)
def test_wrong_rotations(started: Started, content: object, said: str) -> None:
    simulator, old = started(accounts=TWO_KEYS)
    refused = requests.post(f"{simulator.base_url}/_simulator/keys/rotate", json=content, timeout=5)
    assert (refused.status_code, said in message(refused)) == (400, True)
    assert old.call("GET", "/requests").status_code == 200
