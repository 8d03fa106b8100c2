"""Section "HTTP errors" of the wire contract."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ReadTimeout
from requests.exceptions import ConnectionError as Disconnected

from kling_airflow.simulator import Account, Simulator
from tests.simulator.client import GOOD, MODEL, Queue, message, picture
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Slow, Started
from tests.simulator.waiting import wait_until


@row('An error\'s body is `{"error": "<string>"}`', "seen")
def test_error_is_a_string(queue: Queue) -> None:
    answer = queue.post({})
    assert isinstance(answer.json()["error"], str)
    assert answer.headers["content-type"].startswith("application/json")


@row('... sometimes `{"error": {"message", "details"}}` (`error_shape`)', "seen")
def test_error_is_an_object(started: Started) -> None:
    _, queue = started(error_shape="mixed")
    shapes = {type(queue.post({}).json()["error"]) for _ in range(3)}
    assert shapes == {str, dict}
    _, always = started(error_shape="object")
    assert set(always.post({}).json()["error"]) == {"message", "details"}


@row("400 `invalid payload parameters: image (Required parameter is missing)`", "seen")
def test_missing_parameter(queue: Queue) -> None:
    answer = queue.post({"prompt": "p"})
    expected = "invalid payload parameters: image (Required parameter is missing)"
    assert (answer.status_code, message(answer)) == (400, expected)


@row("... naming each offending key", "seen")
def test_every_offending_key_is_named(queue: Queue) -> None:
    text = message(queue.post({"duration": "99", "sound": "loud"}))
    for part in ("prompt (Required parameter is missing)", "image (Required", "duration (", "sound ("):
        assert part in text


@row("400 `Generation rejected; please review the prompt and parameters then retry`", "seen")
def test_unusable_media_is_rejected(sim: Simulator, queue: Queue) -> None:
    answer = queue.post({"prompt": "p", "image": "bm8gaW1hZ2U="})
    expected = "Generation rejected; please review the prompt and parameters then retry"
    assert (answer.status_code, message(answer)) == (400, expected)
    assert sim.ledger() == []


@row("401 for a bad key (the text is not recorded)", "assumed")
def test_401(sim: Simulator) -> None:
    assert Queue(sim.base_url, "wrong").call("GET", "/requests").status_code == 401


@row("403 for another organization's key (the text is not recorded)", "assumed")
def test_403(sim: Simulator) -> None:
    foreign = Queue(sim.base_url, sim.api_key, **{"X-Organization-ID": "other"})
    assert foreign.post(GOOD).status_code == 403


@row("402 `Insufficient credits. Please add more credits to your account.`", "seen")
def test_402(started: Started) -> None:
    _, queue = started(accounts=[Account(key="k", credit_usd=0.5)])
    answer = queue.post(GOOD)
    expected = "Insufficient credits. Please add more credits to your account."
    assert (answer.status_code, message(answer)) == (402, expected)


@row("404 on POST: `model <id> does not exist`", "seen")
def test_404_on_post(queue: Queue) -> None:
    answer = queue.post(GOOD, "kling-v0")
    assert (answer.status_code, message(answer)) == (404, "model kling-v0 does not exist")


@row("404 on GET by id: an unknown id (the text is not recorded)", "assumed")
@pytest.mark.parametrize("request_id", ["1b6e2f8a-58ac-4c3a-9d35-111111111111", "x", "%00", "a" * 3000])
def test_404_by_id(queue: Queue, request_id: str) -> None:
    assert queue.call("GET", f"/requests/{request_id}").status_code == 404


@row("405 for a method that does not exist", "assumed")
@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/requests"), ("DELETE", "/requests"), ("POST", "/models")]
)
def test_405(queue: Queue, method: str, path: str) -> None:
    assert queue.call(method, path).status_code == 405


@row("`Allow` of a 405 names every method of the path", "assumed")
def test_405_names_the_methods(queue: Queue) -> None:
    assert queue.call("PUT", "/requests").headers["allow"] == "GET, POST"
    assert queue.call("PUT", "/requests/a").headers["allow"] == "DELETE, GET"


@row("429, never accepted; Retry-After or not (`retry_after`)", "assumed")
@pytest.mark.parametrize("retry_after", [None, 7])
def test_429(sim: Simulator, queue: Queue, retry_after: int | None) -> None:
    sim.faults.add("rate-limited", retry_after=retry_after)
    answer = queue.post(GOOD)
    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == (None if retry_after is None else "7")
    assert sim.ledger() == []
    assert queue.post(GOOD).status_code == 200


@row("503 `Upstream capacity temporarily exhausted; please retry later`: not accepted", "seen")
def test_503(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("capacity")
    answer = queue.post(GOOD)
    expected = "Upstream capacity temporarily exhausted; please retry later"
    assert (answer.status_code, message(answer), sim.ledger()) == (503, expected, [])


@row("500 `context deadline exceeded` on POST: the request may exist", "seen")
@pytest.mark.parametrize(("fault", "created"), [("deadline-exceeded", 0), ("deadline-exceeded-created", 1)])
def test_500_context_deadline_exceeded(sim: Simulator, queue: Queue, fault: str, created: int) -> None:
    sim.faults.add(fault)
    answer = queue.post(GOOD)
    assert (answer.status_code, message(answer)) == (500, "context deadline exceeded")
    assert queue.list(model_id=MODEL)["total"] == len(sim.ledger()) == created


@row("502, 504: HTML from a gateway; the request may exist", "seen")
@pytest.mark.parametrize(("fault", "created"), [("bad-gateway", 0), ("bad-gateway-created", 1)])
@pytest.mark.parametrize("status", [502, 504])
def test_gateway(sim: Simulator, queue: Queue, fault: str, created: int, status: int) -> None:
    sim.faults.add(fault, status=status)
    answer = queue.post(GOOD)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")
    assert f"<title>{status}" in answer.text
    assert len(sim.ledger()) == created


@row("A GET can meet a gateway too", "seen")
def test_gateway_on_get(sim: Simulator, queue: Queue) -> None:
    request_id = queue.submit()
    sim.faults.add("bad-gateway", call="GET /requests/{id}")
    assert queue.call("GET", f"/requests/{request_id}").status_code == 502
    assert queue.call("GET", f"/requests/{request_id}").status_code == 200


@row("A failed connection before the request left: nothing was created", "doc")
def test_refused_connection(sim: Simulator, queue: Queue) -> None:
    queue.list()
    sim.faults.add("refused", seconds=0.4)
    for _ in range(2):
        with pytest.raises(Disconnected, match="refused"):
            requests.post(queue.root + "/requests", json={}, timeout=5)

    def answers() -> bool:
        try:
            return bool(queue.list())
        except Disconnected:
            return False

    wait_until(answers)
    assert sim.ledger() == []
    assert queue.submit()


@row(
    "A key can be refused for a time, or by a gateway's page (faults `key-refused`, `gateway-forbids`)",
    "assumed",
)
@pytest.mark.parametrize(("fault", "code"), [("key-refused", 401), ("gateway-forbids", 403)])
def test_refused_key(sim: Simulator, queue: Queue, fault: str, code: int) -> None:
    fault_id = sim.faults.add(fault)
    assert [queue.call("GET", "/requests").status_code for _ in range(3)] == [code] * 3
    sim.faults.remove(fault_id)
    assert queue.call("GET", "/requests").status_code == 200


@row("A submission whose connection was lost can be created later (fault `created-late`)", "assumed")
def test_created_later(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("created-late", seconds=200)
    with pytest.raises(Disconnected):
        queue.post(GOOD)
    clock.advance(199)
    assert queue.list(model_id=MODEL)["total"] == 0
    clock.advance(1)
    wait_until(lambda: queue.list(model_id=MODEL)["total"] == 1)


@row("A reset is ambiguous: the request may exist", "seen")
@pytest.mark.parametrize(("fault", "created"), [("reset-unread", 0), ("reset-before", 0), ("reset-after", 1)])
def test_reset(sim: Simulator, queue: Queue, fault: str, created: int) -> None:
    sim.faults.add(fault)
    # A reset that meets a client still sending shows as a closed connection.
    with pytest.raises(Disconnected, match="reset by peer|closed connection without response"):
        queue.post(GOOD)
    assert len(sim.ledger()) == created
    assert queue.post(GOOD).status_code == 200


@row("A read timeout is ambiguous: the request may exist", "seen")
@pytest.mark.parametrize(
    ("fault", "at_once", "later"),
    [("late-answer", 1, 1), ("late-not-created", 0, 0), ("late-arrival", 0, 1)],
)
def test_read_timeout(sim: Simulator, queue: Queue, fault: str, at_once: int, later: int) -> None:
    sim.faults.add(fault, seconds=0.5)
    with pytest.raises(ReadTimeout):
        queue.post(GOOD, timeout=0.25)
    assert len(sim.ledger()) == at_once
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        time.sleep(0.05)
    assert len(sim.ledger()) == later


@row("A 2xx without a readable request id is ambiguous: the request exists", "seen")
@pytest.mark.parametrize("fault", ["invalid-json", "without-request-id"])
def test_2xx_without_a_request_id(sim: Simulator, queue: Queue, fault: str) -> None:
    sim.faults.add(fault)
    answer = queue.post(GOOD)
    assert answer.status_code == 200
    if fault == "invalid-json":
        with pytest.raises(requests.exceptions.JSONDecodeError):
            answer.json()
    else:
        assert "request_id" not in answer.json()
    assert len(sim.ledger()) == 1


@row("A 2xx whose body is cut off is ambiguous: the request exists", "seen")
def test_2xx_cut_off(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("cut-off", share=0.5)
    with pytest.raises(ChunkedEncodingError, match="IncompleteRead"):
        queue.post(GOOD)
    assert len(sim.ledger()) == 1


@row("Reconciling: a lost request is found in the list by its marker", "seen")
def test_lost_request_is_in_the_list(sim: Simulator, queue: Queue) -> None:
    marker = queue.upload(picture(), "png", "image/png")
    sim.faults.add("reset-after", contains=marker)
    queue.submit()
    with pytest.raises(Disconnected):
        queue.post({"prompt": "p", "image": marker})
    queue.submit()
    found = [r for r in queue.list(model_id=MODEL)["requests"] if r["payload"]["image"] == marker]
    assert len(found) == 1
    assert queue.finished(found[0]["request_id"])["status"] == "success"


@row("Concurrent submissions: each gets its own answer", "seen")
def test_concurrent_submissions(sim: Simulator, queue: Queue) -> None:
    def submit(number: int) -> tuple[str, Any]:
        own = Queue(sim.base_url, sim.api_key)
        request_id = own.submit("kling-v3-text-to-video", prompt=f"number {number}")
        return request_id, own.get(request_id)["payload"]["prompt"]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(40)))
    assert len({request_id for request_id, _ in answers}) == 40
    assert [prompt for _, prompt in answers] == [f"number {number}" for number in range(40)]
