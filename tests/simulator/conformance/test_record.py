"""Section "Record" of the wire contract, quirks included."""

from __future__ import annotations

from typing import Any

import pytest

from kling_airflow.simulator import ManualClock, Simulator
from tests.simulator.client import FRAME, GOOD, MODEL, Queue, message, picture
from tests.simulator.conformance.rows import row
from tests.simulator.fixture_types import Slow, Started

KEYS = [
    "request_id", "org_id", "user_id", "model", "status", "is_public", "payload", "outcome",
    "created_at", "updated_at", "queued_at",
]  # fmt: skip
UNREACHABLE = "http://127.0.0.1:9/frame.png"


@row("The keys of a record", "seen")
def test_keys_of_a_record(queue: Queue) -> None:
    record = queue.get(queue.submit())
    assert list(record) == KEYS
    assert (record["model"], record["is_public"], record["org_id"]) == (MODEL, False, "org-simulator")


@row("The SDK's records, read with the console's token, have `qworker_id` too", "doc")
def test_console_records_have_a_qworker(sim: Simulator, queue: Queue) -> None:
    def console(method: str, path: str, content: object = None, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{sim.base_url}/api/v1{path}"
        answer = queue.session.request(method, url, json=content, headers=headers, timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.json()

    login = console("POST", "/me/auth-tokens", {"email": "ann@example.com", "password": sim.api_key})
    session = console("POST", "/me/sessions", {"type": "native", "authToken": login["authToken"]})
    request_id = queue.submit()
    for path in (f"/ie/requestqueue/requests/{request_id}", "/ie/requestqueue/requests"):
        shown = console("GET", path, token=session["accessToken"])
        record = shown["requests"][0] if "requests" in shown else shown
        assert list(record) == [*KEYS, "qworker_id"]


@row("`outcome` is null until the request is terminal", "seen")
def test_outcome_is_null_until_terminal(slow: Slow) -> None:
    _, queue, clock = slow
    request_id = queue.submit()
    for _ in range(5):
        assert queue.get(request_id)["outcome"] is None
        clock.advance(30)
    clock.advance(30)
    assert queue.finished(request_id)["outcome"] is not None


@row("Statuses: created, queued, dispatched, processing, success, failed, cancelled", "doc")
def test_every_status_is_seen(slow: Slow) -> None:
    simulator, queue, clock = slow
    seen = set()
    ids = [queue.submit() for _ in range(30)]
    simulator.fail_next("no")
    ids.append(queue.submit())
    for _ in range(40):
        seen |= {record["status"] for record in queue.list(model_id=MODEL)["requests"]}
        clock.advance(3)
    queue.call("DELETE", f"/requests/{ids[0]}")
    clock.advance(60)
    seen |= {queue.finished(request_id)["status"] for request_id in ids}
    assert seen == {"created", "queued", "dispatched", "processing", "success", "failed", "cancelled"}


@row("A request only moves on: queued, dispatched, processing, terminal", "seen")
def test_statuses_only_move_on(slow: Slow) -> None:
    _, queue, clock = slow
    order = ["created", "queued", "dispatched", "processing", "success"]
    ids = [queue.submit() for _ in range(20)]
    last = dict.fromkeys(ids, 0)
    for _ in range(60):
        for record in queue.list(model_id=MODEL)["requests"]:
            place = order.index(record["status"])
            assert place >= last[record["request_id"]]
            last[record["request_id"]] = place
        clock.advance(3)
    assert {queue.finished(request_id)["status"] for request_id in ids} == {"success"}


@row("`updated_at` moves with the status", "seen")
def test_updated_at_moves(slow: Slow) -> None:
    simulator, queue, clock = slow
    request_id = queue.submit()
    created = queue.get(request_id)["created_at"]
    simulator.wait_rendered()
    clock.advance(170)
    record = queue.finished(request_id)
    assert record["created_at"] == created
    assert record["updated_at"] == created + 165


@row("Statuses are compared without regard to case", "doc")
def test_upper_case_status(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("upper-case-status")
    request_id = queue.submit()
    assert queue.get(request_id)["status"].isupper()


@row("An unknown status is a pending one", "doc")
def test_unknown_status(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("unknown-status", status="warming_up")
    request_id = queue.submit()
    assert queue.get(request_id)["status"] == "warming_up"
    clock.advance(170)
    assert queue.finished(request_id)["status"] == "success"


@row("Success of Kling v3: `media_urls` of objects, and `thumbnail_image_url`", "doc, seen")
def test_success_outcome(queue: Queue) -> None:
    outcome = queue.finished(queue.submit())["outcome"]
    assert set(outcome) == {"media_urls", "thumbnail_image_url"}
    (media,) = outcome["media_urls"]
    assert set(media) == {"id", "url"}
    assert media["id"] == "0"


@row("Siblings answer `video_url`", "seen")
def test_success_with_video_url(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("success-video-url")
    outcome = queue.finished(queue.submit())["outcome"]
    assert outcome["video_url"].endswith(".mp4")
    assert "media_urls" not in outcome


@row("Siblings answer `media_urls` as plain strings", "seen")
def test_success_with_string_urls(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("success-string-urls")
    (url,) = queue.finished(queue.submit())["outcome"]["media_urls"]
    assert url.endswith(".mp4")


@row("`outcome.request_id` can be the upstream vendor's trace id, which the queue doesn't know", "once")
def test_trace_id_of_the_vendor(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("outcome-request-id")
    record = queue.finished(queue.submit())
    trace = record["outcome"]["request_id"]
    assert trace != record["request_id"]
    assert queue.call("GET", f"/requests/{trace}").status_code == 404


@row("Success without a media URL happens", "seen")
def test_success_without_media(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("success-no-media")
    record = queue.finished(queue.submit())
    assert record["status"] == "success"
    assert record["outcome"]["media_urls"] == []


@row("Failure is HTTP 200, `failed`, and the reason in `outcome.error`: a string", "seen")
def test_failure_as_a_string(sim: Simulator, queue: Queue) -> None:
    sim.fail_next("the vendor said no")
    record = queue.finished(queue.submit())
    assert (record["status"], record["outcome"]) == ("failed", {"error": "the vendor said no"})


@row("... or an object of `code`, `message`, `status`", "seen")
def test_failure_as_an_object(started: Started) -> None:
    simulator, queue = started(error_shape="object")
    simulator.fail_next("the vendor said no")
    error = queue.finished(queue.submit())["outcome"]["error"]
    assert set(error) == {"code", "message", "status"}
    assert error["message"] == "the vendor said no"
    assert error["code"] == "INVALID_INPUT", "the one recorded code"


@row("... or in `error`, `error_message`, `reason`, `outcome.message`", "seen")
@pytest.mark.parametrize("place", ["error", "error_message", "reason", "outcome.message"])
def test_failure_elsewhere(sim: Simulator, queue: Queue, place: str) -> None:
    sim.faults.add("error-elsewhere", place=place, reason="no")
    record = queue.finished(queue.submit())
    found = record["outcome"]["message"] if place == "outcome.message" else record[place]
    assert (record["status"], found, "error" in record["outcome"]) == ("failed", "no", False)


@row("A rate limit can arrive as a terminal failure: `rate limit exceeded(RPM)`", "once")
def test_rate_limit_as_a_failure(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("failed-rate-limit")
    record = queue.finished(queue.submit())
    assert (record["status"], record["outcome"]["error"]) == ("failed", "rate limit exceeded(RPM)")


@row("The payload comes back whole", "seen")
def test_payload_echo(queue: Queue) -> None:
    request_id = queue.submit(duration="3", sound="on")
    assert queue.get(request_id)["payload"] == {
        "prompt": "a prompt",
        "image": FRAME,
        "duration": "3",
        "sound": "on",
    }


@row("... or as `{}`: an option (`payload_echo`)", "once")
def test_payload_echo_empty(started: Started) -> None:
    _, queue = started(payload_echo="empty")
    request_id = queue.submit()
    assert queue.get(request_id)["payload"] == {}
    assert queue.list(model_id=MODEL)["requests"][0]["payload"] == {}


@row(
    "... or in part: a field missing, texts cut, values redacted, another address (faults `echo-...`)",
    "assumed",
)
@pytest.mark.parametrize(
    ("fault", "missing"),
    [
        ("echo-without-field", {"image"}),
        ("echo-cut", {"image"}),
        ("echo-redacted", {"image"}),
        ("echo-rehosted", {"image"}),
        ("echo-empty", {"prompt", "image"}),
    ],
)
def test_payload_echo_in_part(sim: Simulator, queue: Queue, fault: str, missing: set[str]) -> None:
    sent = {"prompt": "a prompt", "image": queue.upload(picture(), "png", "image/png")}
    request_id = queue.submit(**sent)
    sim.faults.add(fault)
    for echo in (queue.get(request_id)["payload"], queue.list(model_id=MODEL)["requests"][0]["payload"]):
        assert {name for name, value in sent.items() if echo.get(name) != value} == missing


@row("A request can be cancelled without a call (fault `cancelled-by-vendor`)", "assumed")
def test_cancelled_without_a_call(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("cancelled-by-vendor")
    record = queue.finished(queue.submit())
    assert (record["status"], record["outcome"]) == ("cancelled", {})


@row("A request can stay `queued` for ever, with `updated_at == created_at`", "seen")
def test_stuck_in_queued(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("stuck-queued")
    request_id = queue.submit()
    clock.advance(100_000)
    record = queue.get(request_id)
    assert (record["status"], record["updated_at"]) == ("queued", record["created_at"])
    assert simulator.ledger()[0].billed


@row("A request can sit in `dispatched` for over an hour", "seen")
def test_stuck_in_dispatched(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("stuck-dispatched")
    request_id = queue.submit()
    clock.advance(3700)
    assert queue.get(request_id)["status"] == "dispatched"


@row("A request can answer 404 by id though the list has it", "seen")
def test_listed_but_404_by_id(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("hidden-by-id")
    request_id = queue.submit()
    assert queue.call("GET", f"/requests/{request_id}").status_code == 404
    assert queue.list(model_id=MODEL)["requests"][0]["request_id"] == request_id


@row("A POST refused with 500 `Backend error (400)` leaves a failed record in the list", "seen")
@pytest.mark.parametrize("code", [400, 403])
def test_backend_error_leaves_a_failed_record(sim: Simulator, queue: Queue, code: int) -> None:
    sim.faults.add("backend-error", code=code)
    answer = queue.post(GOOD)
    text = f"Backend error ({code}). Please try again."
    assert (answer.status_code, answer.json()) == (500, {"error": text})
    (record,) = queue.list(model_id=MODEL)["requests"]
    assert (record["status"], record["outcome"]["error"]) == ("failed", text)
    assert [(entry.outcome, entry.billed) for entry in sim.ledger()] == [("failed", False)]


@row("Unreachable input media: that 500 at once", "seen")
def test_unreachable_frame_refused(started: Started) -> None:
    simulator, queue = started(unreachable_frames="refused")
    answer = queue.post({"prompt": "p", "image": UNREACHABLE})
    assert (answer.status_code, message(answer)) == (500, "Backend error (400). Please try again.")
    assert [(entry.outcome, entry.billed) for entry in simulator.ledger()] == [("failed", False)]


@row("... or `failed` about ten minutes later with `Failed to download media`", "seen")
def test_unreachable_frame_late(started: Started) -> None:
    clock = ManualClock()
    simulator, queue = started(
        clock=clock, unreachable_frames="late", speed=1, submit_seconds=0, generation_seconds=1
    )
    request_id = queue.submit(image_tail=UNREACHABLE)
    simulator.wait_rendered()
    clock.advance(590)
    assert queue.get(request_id)["outcome"] is None
    clock.advance(15)
    record = queue.finished(request_id)
    assert (record["status"], record["outcome"]["error"]) == ("failed", "Failed to download media")
    assert simulator.ledger()[0].amount_usd == 0


@row("Which of the two is chance (`unreachable_frames`)", "seen")
def test_unreachable_frame_either(started: Started) -> None:
    _, queue = started(late_failure_seconds=0)
    codes = {queue.post({"prompt": "p", "image": UNREACHABLE}).status_code for _ in range(16)}
    assert codes == {200, 500}
