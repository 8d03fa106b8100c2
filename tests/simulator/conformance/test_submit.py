"""Section "Submit" of the wire contract."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
import requests

from kling_airflow.simulator import Account, Simulator
from tests.simulator.client import GOOD, MODEL, Queue, message
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Started

SPEECH = "inworld-tts-1.5-max"


@row("HTTP 200 with `request_id, model, status, created_at, updated_at, queued_at`", "doc")
def test_answer_of_a_submission(queue: Queue) -> None:
    answer = queue.post(GOOD)
    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["request_id", "model", "status", "created_at", "updated_at", "queued_at"]
    assert body["model"] == MODEL


@row("`request_id` is a UUID of version 4", "doc")
def test_request_id_is_a_uuid4(queue: Queue) -> None:
    request_id = uuid.UUID(queue.submit())
    assert request_id.version == 4


@row("The status of the answer is `queued` or `dispatched`", "doc")
def test_status_of_a_submission(queue: Queue) -> None:
    statuses = {queue.post(GOOD).json()["status"] for _ in range(40)}
    assert statuses == {"queued", "dispatched"}


@row("Times are integer Unix seconds", "doc")
def test_times_are_integer_seconds(queue: Queue) -> None:
    before = int(time.time())
    body = queue.post(GOOD).json()
    record = queue.finished(body["request_id"])
    for answer in (body, record):
        for key in ("created_at", "updated_at", "queued_at"):
            assert type(answer[key]) is int
            assert before <= answer[key] <= time.time()


@row("Synchronous models answer the POST with a terminal record", "seen")
def test_synchronous_model(sim: Simulator, queue: Queue) -> None:
    answer = queue.post({"text": "hello"}, SPEECH)
    assert answer.status_code == 200
    record = answer.json()
    assert (record["status"], record["model"]) == ("success", SPEECH)
    assert queue.get(record["request_id"]) == record
    sound = requests.get(record["outcome"]["audio_url"], timeout=20)
    assert (sound.content[:4], sound.headers["content-type"]) == (b"RIFF", "audio/wav")
    assert [(e.outcome, e.amount_usd) for e in sim.ledger()] == [("success", 0.01)]


@row("The POST of a Kling model takes seconds", "seen")
def test_post_takes_long(started: Started) -> None:
    _, queue = started(speed=10, submit_seconds=3)
    begin = time.monotonic()
    queue.submit("kling-v3-text-to-video", prompt="p")
    assert time.monotonic() - begin >= 0.3


@row("An unknown model is 404, before the payload is looked at", "seen")
def test_unknown_model_before_payload(queue: Queue) -> None:
    answer = queue.post({}, "kling-v99")
    assert (answer.status_code, message(answer)) == (404, "model kling-v99 does not exist")


@row("The payload is looked at (400) before the entitlement (404)", "seen")
def test_payload_before_entitlement(started: Started) -> None:
    _, queue = started(accounts=[Account(key="k", models=("kling-v3-text-to-video",))])
    assert queue.post({}).status_code == 400
    answer = queue.post(GOOD)
    assert answer.status_code == 404
    assert "you do not have access" in message(answer)


@row("The entitlement is looked at (404) before the credit (402), which comes last", "seen")
def test_credit_comes_last(started: Started) -> None:
    _, queue = started(accounts=[Account(key="k", models=("kling-v3-text-to-video",), credit_usd=0)])
    assert queue.post(GOOD).status_code == 404
    assert queue.post({"prompt": "p"}, "kling-v3-text-to-video").status_code == 402


@row("A body that is no JSON, or not model and payload, is 400", "assumed")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        json.dumps({"model": MODEL}).encode(),
        json.dumps({"model": MODEL, "payload": []}).encode(),
        json.dumps({"model": 3, "payload": {}}).encode(),
        json.dumps({"model": "", "payload": {}}).encode(),
        b"[" * 100_000,
    ],
)
def test_malformed_body_is_400(sim: Simulator, queue: Queue, body: bytes) -> None:
    assert queue.call("POST", "/requests", data=body).status_code == 400
    assert sim.ledger() == []


@row("The payload is echoed, also text that is not valid Unicode", "assumed")
@pytest.mark.parametrize("odd", ["\ud800", "a\u0000b", "\U0001f680", "\u2028</script>"])
def test_odd_text_is_echoed(queue: Queue, odd: str) -> None:
    request_id = queue.submit("kling-v3-text-to-video", prompt=odd)
    assert queue.get(request_id)["payload"]["prompt"] == odd
    assert odd in message(queue.post({}, odd))
    assert queue.call("POST", "/upload-url", json={"file_type": odd}).status_code == 400


@row("There may be a limit to the body: an option (`max_body_bytes`), 413", "assumed")
@pytest.mark.parametrize("chunked", [False, True])
def test_body_size_limit(started: Started, chunked: bool) -> None:
    simulator, queue = started(max_body_bytes=10_000)
    body = json.dumps({"model": MODEL, "payload": {"prompt": "p", "image": "A" * 10_000}}).encode()
    data: Any = iter([body[:5000], body[5000:]]) if chunked else body
    try:
        answer = queue.call("POST", "/requests", data=data)
        assert answer.status_code == 413
    except requests.ConnectionError:  # the connection was closed while we were still sending
        pass
    assert simulator.ledger() == []


@row("There is no idempotency key: the same POST twice is two requests, billed twice", "seen")
def test_no_idempotency(sim: Simulator, queue: Queue) -> None:
    for _ in range(2):
        queue.call(
            "POST",
            "/requests",
            json={"model": MODEL, "payload": GOOD},
            headers={"Idempotency-Key": "same"},
        )
    one, other = sim.ledger()
    assert one.payload_digest == other.payload_digest
    assert one.request_id != other.request_id
    assert one.billed
    assert other.billed
