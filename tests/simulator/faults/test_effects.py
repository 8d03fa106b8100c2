"""The effects of faults over real sockets: combined, for chosen calls, and in the list."""

from __future__ import annotations

import time

import pytest
import requests
from requests.exceptions import ConnectionError as Disconnected
from requests.exceptions import ReadTimeout

from kling_airflow.simulator import Simulator
from tests.simulator.client import GOOD, MODEL, Queue, raw_read
from tests.simulator.fixture_types import Slow


def test_late_and_then_reset(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("late-answer", seconds=0.3)
    sim.faults.add("reset-after")
    begin = time.monotonic()
    with pytest.raises(Disconnected):
        queue.post(GOOD)
    assert len(sim.ledger()) == 1
    assert time.monotonic() - begin < 5


def test_late_and_then_500(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("deadline-exceeded")
    sim.faults.add("late-answer", seconds=0.3)
    begin = time.monotonic()
    assert queue.post(GOOD).status_code == 500
    assert time.monotonic() - begin >= 0.3


def test_created_but_said_to_be_500_and_then_stuck(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("stuck-queued")
    simulator.faults.add("deadline-exceeded-created")
    assert queue.post(GOOD).status_code == 500
    clock.advance(10_000)
    assert queue.list(model_id=MODEL)["requests"][0]["status"] == "queued"


@pytest.mark.parametrize("fault", ["deadline-exceeded-created", "bad-gateway-created", "reset-after"])
def test_refusal_stays_a_refusal(sim: Simulator, queue: Queue, fault: str) -> None:
    sim.faults.add(fault)
    assert queue.post({}).status_code == 400
    assert sim.ledger() == []


def test_strikes_the_payload_that_contains_a_text(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("capacity", contains="second prompt")
    codes = [queue.post(GOOD | {"prompt": f"{n} prompt"}).status_code for n in ("first", "second", "third")]
    assert codes == [200, 503, 200]


def test_strikes_one_model(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("capacity", model="kling-v3-text-to-video", times=1)
    assert queue.post(GOOD).status_code == 200
    assert queue.post({"prompt": "p"}, "kling-v3-text-to-video").status_code == 503


def test_strikes_one_request(sim: Simulator, queue: Queue) -> None:
    one, other = queue.submit(), queue.submit()
    sim.faults.add("http-error", call="GET /requests/{id}", request_id=one, status=503, message="later")
    assert queue.call("GET", f"/requests/{one}").status_code == 503
    assert queue.call("GET", f"/requests/{other}").status_code == 200


def test_life_of_a_request_that_exists(slow: Slow) -> None:
    simulator, queue, clock = slow
    doomed, spared = queue.submit(), queue.submit()
    simulator.faults.add("failed", request_id=doomed, reason="the vendor broke down", after=0)
    assert queue.get(doomed)["outcome"] == {"error": "the vendor broke down"}
    simulator.wait_rendered()
    clock.advance(170)
    assert queue.get(spared)["status"] == "success"
    assert [entry.billed for entry in simulator.ledger()] == [False, True]


def test_a_request_that_has_ended_is_not_changed(sim: Simulator, queue: Queue) -> None:
    request_id = queue.submit()
    record = queue.finished(request_id)
    sim.faults.add("failed", request_id=request_id, after=0)
    assert queue.get(request_id) == record


def test_hidden_only_at_first(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("hidden-by-id", seconds=30)
    request_id = queue.submit()
    assert queue.call("GET", f"/requests/{request_id}").status_code == 404
    clock.advance(31)
    assert queue.get(request_id)["request_id"] == request_id


def test_failed_download_comes_late(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("failed-download")
    request_id = queue.submit()
    simulator.wait_rendered()
    clock.advance(590)
    assert queue.get(request_id)["status"] == "processing"
    clock.advance(11)
    record = queue.get(request_id)
    assert record["outcome"] == {"error": "Failed to download media"}
    assert record["updated_at"] - record["created_at"] == 600


def test_failed_content_policy(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("failed-content-policy")
    assert "review the prompt" in queue.finished(queue.submit())["outcome"]["error"]


@pytest.mark.parametrize("fault", ["reset-before", "late-not-created"])
def test_reads_can_break_too(sim: Simulator, queue: Queue, fault: str) -> None:
    request_id = queue.submit()
    sim.faults.add(fault, call="GET /requests/{id}", **({"seconds": 0.5} if "late" in fault else {}))
    with pytest.raises((Disconnected, ReadTimeout)):
        queue.call("GET", f"/requests/{request_id}", timeout=0.2)
    assert queue.get(request_id)


def test_uploaded_frame_can_be_gone(sim: Simulator, queue: Queue) -> None:
    url = queue.upload(b"\x89PNG", "png", "image/png")
    sim.faults.add("media-gone", call="GET upload")
    assert requests.get(url, timeout=5).status_code == 404


def test_upload_url_expired(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("upload-url-expired")
    signed = queue.call("POST", "/upload-url", json={"file_type": "png"}).json()
    headers = {"Content-Type": "image/png"}
    refused = requests.put(signed["upload_url"], data=b"x", headers=headers, timeout=5)
    assert (refused.status_code, b"ExpiredToken" in refused.content) == (400, True)
    assert requests.put(signed["upload_url"], data=b"x", headers=headers, timeout=5).status_code == 200


@pytest.mark.parametrize("fault", ["reset-unread", "reset-before", "reset-after"])
def test_resets_are_resets_on_the_socket(sim: Simulator, fault: str) -> None:
    sim.faults.add(fault, call="GET /models")
    with pytest.raises(ConnectionResetError):
        raw_read(sim.base_url, sim.api_key)


def test_late_and_not_created_is_a_closed_connection(sim: Simulator) -> None:
    sim.faults.add("late-not-created", call="GET /models", seconds=0.05)
    assert raw_read(sim.base_url, sim.api_key) == b""


def test_cut_off_is_closed_below_its_content_length(sim: Simulator) -> None:
    sim.faults.add("cut-off", call="GET /models", share=0.5)
    head, _, body = raw_read(sim.base_url, sim.api_key).partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert len(body) == length // 2
