"""Odd answers to calls that were handled: odd JSON, slow headers, raw bytes, other Date headers."""

from __future__ import annotations

import json
import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from requests.exceptions import ConnectionError as Disconnected
from requests.exceptions import ReadTimeout

from kling_airflow.simulator import Simulator
from kling_airflow.simulator.faults.answer import ODD_VALUES
from tests.simulator.client import GOOD, MODEL, Queue, raw_read
from tests.simulator.fixture_types import Slow

CALLS = ["POST /requests", "GET /requests/{id}", "GET /requests"]


def answer_to(queue: Queue, call: str, request_id: str) -> requests.Response:
    if call == "POST /requests":
        return queue.post(GOOD)
    if call == "GET /requests":
        return queue.call("GET", "/requests", params={"model_id": MODEL})
    return queue.call("GET", f"/requests/{request_id}")


@pytest.mark.parametrize("call", CALLS)
def test_huge_number(sim: Simulator, queue: Queue, call: str) -> None:
    request_id = queue.submit()
    sim.faults.add("answer-huge-number", call=call)
    answer = answer_to(queue, call, request_id)
    assert f'"created_at": {"9" * 5000}' in answer.text
    with pytest.raises(ValueError, match="integer string conversion"):
        json.loads(answer.text)
    assert json.loads(answer.text, parse_int=str), "the rest is JSON"


@pytest.mark.parametrize("call", CALLS)
def test_infinite_number(sim: Simulator, queue: Queue, call: str) -> None:
    request_id = queue.submit()
    sim.faults.add("answer-infinite-number", call=call, field="updated_at")
    content = answer_to(queue, call, request_id).json()
    for record in content.get("requests", [content]):
        assert record["updated_at"] == float("inf")


@pytest.mark.parametrize("call", CALLS)
def test_deep_json(sim: Simulator, queue: Queue, call: str) -> None:
    request_id = queue.submit()
    sim.faults.add("answer-deep-json", call=call)
    answer = answer_to(queue, call, request_id)
    assert answer.status_code == 200
    assert "[" * 100_000 + "]" * 100_000 in answer.text
    with pytest.raises(RecursionError):
        json.loads(answer.text)


@given(call=st.sampled_from(CALLS), type_=st.sampled_from(sorted(ODD_VALUES)), one=st.booleans())
def test_odd_types(typed: tuple[Simulator, Queue, str], call: str, type_: str, one: bool) -> None:
    simulator, queue, request_id = typed
    field = "request_id" if one else ""
    simulator.faults.clear()
    simulator.faults.add("answer-odd-types", call=call, type=type_, field=field)
    content = answer_to(queue, call, request_id).json()
    if one and call == "GET /requests":
        assert isinstance(content["total"], int)
    for record in content.get("requests", [content]):
        changed = {name for name, value in record.items() if value == ODD_VALUES[type_]}
        assert changed >= ({"request_id"} if one else set(record))
        assert one or changed == set(record)


@pytest.fixture(scope="module")
def typed() -> Any:
    """A simulator, its client, and the id of a request that has ended."""
    with Simulator(speed=10_000, render="fast", error_shape="string") as simulator:
        queue = Queue(simulator.base_url, simulator.api_key)
        request_id = queue.submit()
        queue.finished(request_id)
        yield simulator, queue, request_id


def test_a_refusal_is_not_changed(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("answer-odd-types", type="null")
    assert queue.post({}).json()["error"].startswith("invalid payload parameters")


def test_slow_headers_are_a_whole_answer_in_the_end(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("slow-headers", seconds=0.4, interval=0.1)
    begin = time.monotonic()
    answer = queue.post(GOOD)
    assert time.monotonic() - begin >= 0.4
    assert answer.status_code == 200
    assert [name for name in answer.headers if name.startswith("X-Slow")] == [
        f"X-Slow-{number}" for number in range(4)
    ]
    assert answer.json()["request_id"] == sim.ledger()[0].request_id


def test_each_slow_header_resets_a_timeout_for_each_read(sim: Simulator, queue: Queue) -> None:
    """The read timeout of `requests` never passes, because a line comes every 0.1 s."""
    sim.faults.add("slow-headers", seconds=0.8, interval=0.1)
    assert queue.post(GOOD, timeout=0.4).status_code == 200
    sim.faults.add("slow-headers", seconds=0.8, interval=0.8)
    with pytest.raises(ReadTimeout):
        queue.post(GOOD, timeout=0.4)
    assert len(sim.ledger()) == 2


def test_slow_headers_then_a_reset(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("slow-headers", seconds=0.2, interval=0.1, then="reset")
    with pytest.raises(Disconnected):
        queue.post(GOOD)
    assert len(sim.ledger()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "HTTP/1.1 999 Unknown\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: " + "9" * 5000 + "\r\n\r\nx",
        "HTTP/1.1 503 no\r\nRetry-After: " + "9" * 5000 + "\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n" + "".join(f"A{n}: b\r\n" for n in range(200)) + "\r\n",
        "",
    ],
)
def test_raw_answer(sim: Simulator, text: str) -> None:
    sim.faults.add("raw-answer", call="GET /models", text=text)
    assert raw_read(sim.base_url, sim.api_key) == text.encode()


def test_raw_answer_to_a_submission_comes_after_the_creation(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("raw-answer")
    assert queue.post(GOOD).status_code == 999
    assert len(sim.ledger()) == 1


@pytest.mark.parametrize("seconds", [300, -300, 0.4])
def test_skewed_date(slow: Slow, seconds: float) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("date-skewed", seconds=seconds)
    for answer in (queue.post(GOOD), queue.post({}), queue.call("GET", "/requests")):
        shown = parsedate_to_datetime(answer.headers["date"]).timestamp()
        assert shown == int(clock.now() + seconds)
    assert queue.list(model_id=MODEL)["requests"][0]["created_at"] == int(clock.now())


def test_no_date(sim: Simulator, queue: Queue) -> None:
    fault_id = sim.faults.add("date-absent")
    for answer in (queue.post(GOOD), queue.post({}), queue.call("GET", "/requests")):
        assert "date" not in answer.headers
    sim.faults.remove(fault_id)
    assert "date" in queue.call("GET", "/requests").headers


def test_no_date_on_a_cached_page(slow: Slow) -> None:
    simulator, queue, _ = slow
    simulator.faults.add("list-cached")
    simulator.faults.add("date-absent")
    assert "date" not in queue.call("GET", "/requests").headers
