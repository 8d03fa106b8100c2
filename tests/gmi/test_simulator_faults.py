"""Both clients against the simulator's faults of the line, of redirects, of odd JSON and of keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from kling_airflow.errors import AmbiguousSubmission, GMIError, Unauthorized, Unreachable
from kling_airflow.gmi.call import Timeouts
from kling_airflow.gmi.protocol import Protocol
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.retries import Retries
from kling_airflow.simulator import Simulator
from tests.gmi.clients import AsyncFace, SyncFace

MODEL = "kling-v3-text-to-video"
PAYLOAD = {"prompt": "rise", "duration": "5", "sound": "off"}
TOTAL = 1.0
SLACK = 6.0  # what a busy machine adds; without the deadline a call would take 30 s
READ, LIST, SUBMIT = "GET /requests/{id}", "GET /requests", "POST /requests"


class OneTry(SyncFace):
    retries = Retries(attempts=1)


class AsyncOneTry(AsyncFace):
    retries = Retries(attempts=1)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(render="fast", submit_seconds=0.0, generation_seconds=1e6) as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Simulator:
    running.reset()
    return running


@pytest.fixture(params=[OneTry, AsyncOneTry], ids=["requests", "aiohttp"])
def queue(request: pytest.FixtureRequest, sim: Simulator) -> SyncFace:
    face: SyncFace = request.param(sim.base_url, sim.api_key)
    return face


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each call have a second in all, and let no single step be late."""
    for name in ("submit", "get", "list_page"):
        build = getattr(Protocol, name)
        monkeypatch.setattr(
            Protocol,
            name,
            lambda *given, _build=build, **named: replace(
                _build(*given, **named), timeouts=Timeouts(connect=30, read=30, total=TOTAL)
            ),
        )


def outcome(queue: SyncFace, name: str, *arguments: Any) -> Any:
    try:
        return queue.call(name, *arguments)
    except GMIError as error:
        return error


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("slow-headers", {"seconds": 30.0, "interval": 0.1}),
        ("late-answer", {"seconds": 30.0}),
        ("late-not-created", {"seconds": 30.0}),
        ("redirect", {"body_bytes": 10_000_000, "bytes_per_second": 10.0}),
    ],
)
def test_a_slow_response_ends_at_the_deadline(
    queue: SyncFace, sim: Simulator, fault: str, options: dict[str, Any]
) -> None:
    sim.faults.add(fault, call=SUBMIT, times=1, **options)
    began = time.monotonic()
    assert isinstance(outcome(queue, "submit", MODEL, PAYLOAD), AmbiguousSubmission)
    assert time.monotonic() - began < TOTAL + SLACK
    made = queue.call("submit", MODEL, PAYLOAD).request_id
    sim.faults.add(fault, call=READ, times=1, **options)
    began = time.monotonic()
    assert isinstance(outcome(queue, "get", made), Unreachable)
    assert time.monotonic() - began < TOTAL + SLACK


@pytest.mark.usefixtures("short")
def test_a_large_submission_over_a_slow_line_is_ambiguous_in_time(queue: SyncFace, sim: Simulator) -> None:
    sim.faults.add("slow-request", bytes_per_second=10_000)
    began = time.monotonic()
    end = outcome(queue, "submit", MODEL, PAYLOAD | {"prompt": "A" * 8_000_000})
    assert time.monotonic() - began < TOTAL + SLACK
    assert isinstance(end, AmbiguousSubmission)
    assert "while sending the call" in end.what


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_with_a_packed_body_is_an_error(queue: SyncFace, sim: Simulator, status: int) -> None:
    made = queue.call("submit", MODEL, PAYLOAD).request_id
    for location in ("/elsewhere", "", "http://[::1"):
        options = {"status": status, "location": location, "body_bytes": 100_000_000, "compressed": True}
        sim.faults.add("redirect", call=READ, times=1, **options)
        began = time.monotonic()
        assert isinstance(outcome(queue, "get", made), GMIError)
        assert time.monotonic() - began < SLACK


KINDS = ["null", "true", "number", "negative", "text", "array", "object"]
ODD: list[tuple[str, dict[str, Any]]] = [
    *(("answer-huge-number", {"field": field}) for field in ("created_at", "updated_at", "queued_at")),
    *(("answer-infinite-number", {"field": field}) for field in ("created_at", "outcome", "model")),
    *(("answer-deep-json", {"field": field, "depth": depth}) for field in ("outcome", "payload", "status")
      for depth in (200, 100_000)),
    *(("answer-odd-types", {"type": kind}) for kind in KINDS),
    ("invalid-json", {}),
    ("raw-answer", {}),
    ("raw-answer", {"text": "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"}),
    ("raw-answer", {"text": "nonsense\r\n"}),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "options"), ODD, ids=lambda value: str(value)[:40])
def test_an_odd_response_is_read_or_an_error_of_ours(
    queue: SyncFace, sim: Simulator, fault: str, options: dict[str, Any]
) -> None:
    made = queue.call("submit", MODEL, PAYLOAD).request_id
    for call, name, arguments in (
        (READ, "get", (made,)), (LIST, "list_page", (MODEL,)), (SUBMIT, "submit", (MODEL, PAYLOAD)),
    ):  # fmt: skip
        sim.faults.add(fault, call=call, times=1, **options)
        seen = outcome(queue, name, *arguments)
        assert isinstance(seen, Request | Page | GMIError)
        if isinstance(seen, Request):
            seen.clip().to_json()


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_from_a_gateways_page(queue: SyncFace, sim: Simulator, status: int) -> None:
    made = queue.call("submit", MODEL, PAYLOAD).request_id
    fault = sim.faults.add("key-refused", status=status)
    assert isinstance(outcome(queue, "get", made), Unauthorized)
    assert isinstance(outcome(queue, "submit", MODEL, PAYLOAD), Unauthorized)
    sim.faults.remove(fault)
    sim.faults.add("gateway-forbids")
    assert isinstance(outcome(queue, "get", made), Unreachable)
    assert isinstance(outcome(queue, "submit", MODEL, PAYLOAD), AmbiguousSubmission)


def test_the_date_of_the_queue_is_what_counts(queue: SyncFace, sim: Simulator) -> None:
    sim.faults.add("date-skewed", call=SUBMIT, times=1)
    assert queue.call("submit", MODEL, PAYLOAD).served_at is not None
    sim.faults.add("date-absent", call=SUBMIT, times=1)
    assert queue.call("submit", MODEL, PAYLOAD).served_at is None
