"""The poller's calls over real HTTP: what each response means for the connection."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from kling_airflow.errors import NotFound, ResponseTooLarge, Unauthorized, Unreachable
from kling_airflow.gmi.async_client import AsyncGMIClient
from kling_airflow.gmi.request import Request
from kling_airflow.polling import limited_calls
from kling_airflow.polling.limited_calls import LimitedCalls
from kling_airflow.polling.rate_limiter import RateLimiter
from tests.gmi.scripted import Step, answer, reset, scripted, trickle
from tests.polling.waiting import CountedMetrics

RECORD = answer(200, '{"request_id": "a", "status": "queued"}', Date="Mon, 23 Nov 2026 05:00:00 GMT")


def run(
    call: str, *steps: Step, min_call_seconds: float = 10.0
) -> tuple[object, LimitedCalls, CountedMetrics]:
    """Make one call; return its result or its error."""

    async def make(url: str) -> tuple[object, LimitedCalls]:
        async with AsyncGMIClient("key", url) as client:
            calls = LimitedCalls(client, RateLimiter(1000), metrics, min_call_seconds=min_call_seconds)
            arguments = {"get": ("a", 0.1), "list_page": ("m", 0, 0.1), "key_is_refused": ()}[call]
            try:
                return await getattr(calls, call)(*arguments), calls
            except Exception as error:
                return error, calls

    metrics = CountedMetrics()
    with scripted(*steps) as server:
        got, calls = asyncio.run(make(server.url))
    return got, calls, metrics


def test_a_record_comes_with_the_time_by_the_queues_clock() -> None:
    got, calls, metrics = run("get", RECORD)
    assert isinstance(got, Request)
    assert (got.request_id, got.served_at) == ("a", 1795410000.0)
    assert calls.last_response_at == pytest.approx(time.time(), abs=5)
    assert metrics.calls == {("id", "ok"): 1}


@pytest.mark.parametrize(
    ("step", "kind", "outcome", "failing", "has_responded"),
    [
        (answer(404, "{}"), NotFound, "not_found", False, True),
        (answer(401, "{}"), Unauthorized, "unauthorized", False, False),
        (answer(502, "{}"), Unreachable, "failed", True, False),
        (answer(429, "{}"), Unreachable, "limited", True, False),
        (answer(200, "no JSON"), Unreachable, "failed", True, False),
        (reset, Unreachable, "failed", True, False),
    ],
)
def test_each_response_is_counted_and_told_to_the_rate_limiter(
    step: Step, kind: type[Exception], outcome: str, failing: bool, has_responded: bool
) -> None:
    got, calls, metrics = run("get", step)
    assert isinstance(got, kind)
    assert metrics.calls == {("id", outcome): 1}
    assert calls.rate_limiter.failing is failing
    assert (calls.last_response_at is not None) is has_responded


def test_a_page_over_the_size_limit_is_no_failure_of_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limited_calls, "LIST_MAX_BYTES", 10_000)
    page = json.dumps({"requests": [{"request_id": "a", "payload": {"image": "x" * 20_000}}]})
    got, calls, metrics = run("list_page", answer(200, page))
    assert isinstance(got, ResponseTooLarge)
    assert metrics.calls == {("list", "too_large"): 1}
    assert not calls.rate_limiter.failing

    got, *_ = run("get", answer(200, '{"request_id": "a", "payload": {"image": "' + "x" * 20_000 + '"}}'))
    assert isinstance(got, Request), "the size limit of a record by id is larger"


def test_a_call_without_a_whole_response_is_given_up_in_time() -> None:
    for call in ("get", "list_page"):
        began = time.monotonic()
        got, *_ = run(call, trickle, min_call_seconds=0.5)
        assert isinstance(got, Unreachable)
        assert 0.4 < time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("step", "refused"),
    [
        (answer(401), True),
        (answer(403), True),
        (answer(200, "{}"), False),
        (answer(502), False),
        (reset, False),
    ],
)
def test_the_key_is_refused_only_by_401_and_403(step: Step, refused: bool) -> None:
    got, _, metrics = run("key_is_refused", step)
    assert got is refused
    assert {kind for kind, _ in metrics.calls} == {"check"}


def test_retry_after_pauses_and_is_counted() -> None:
    _, calls, metrics = run("get", answer(503, "{}", Retry_After="7"))
    assert metrics.pauses == [(7.0, True)]
    assert calls.rate_limiter.failing


async def test_a_call_that_waits_for_its_turn_also_waits_for_a_pause_that_began_later() -> None:
    loop = asyncio.get_running_loop()
    rate_limiter = RateLimiter(2.0)
    with scripted(RECORD) as server:
        async with AsyncGMIClient("key", server.url) as client:
            calls = LimitedCalls(client, rate_limiter, CountedMetrics())
            rate_limiter.reserve(loop.time())
            waiting = asyncio.create_task(calls.get("a", 1.0))
            await asyncio.sleep(0)  # the task starts, and waits for its turn
            now = loop.time()
            rate_limiter.record_failure(now, asked_at=now, retry_after=1.5)
            await waiting
            assert loop.time() >= now + 1.5
