"""The wait on the worker: passing errors, and ``Retry-After``."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.errors import GenerationTimeout, GMIError, Money, NotFound, Unauthorized, Unreachable
from kling_airflow.gmi.retries import Retries
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.polling.decision import Wait
from kling_airflow.task.stop_flag import StopFlag
from kling_airflow.task.wait import WorkerWait
from tests.gmi.scripted import Step, answer, reset, scripted

if TYPE_CHECKING:
    from kling_airflow.gmi.request import Request

QUEUED = answer(200, '{"request_id": "a", "status": "queued"}')
CLIP = {"media_urls": [{"id": "0", "url": "https://m/a.mp4"}]}
DONE = answer(200, json.dumps({"request_id": "a", "status": "success", "outcome": CLIP}))


class Log:
    """Keeps what was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, /, *args: Any) -> None:
        self.lines.append(message % args)

    warning = error = info


def wait_for_clip(*steps: Step, log: Log | None = None, **fields: Any) -> Request:
    now = time.time()
    wait = Wait(**({"request_id": "a", "started_at": now, "deadline": now + 20} | fields))
    with scripted(*steps) as server:
        worker_wait = WorkerWait(wait, hook_of(server.url), log or Log(), poll_interval=0.01)
        return worker_wait.until_done(StopFlag(), defer=None)


def store_connection(url: str, key: str) -> None:
    """Put an address and a key into the connection ``wait_test``."""
    fields = {"conn_type": "gmi_cloud", "host": url, "password": key}
    os.environ["AIRFLOW_CONN_WAIT_TEST"] = json.dumps(fields)


def hook_of(url: str, key: str = "k") -> GMICloudHook:
    """Return a hook of a connection to this address, whose client asks once."""
    store_connection(url, key)
    hook = GMICloudHook("wait_test")
    hook.get_conn().retries = Retries(attempts=1)
    return hook


def test_passing_errors_are_waited_out_and_logged() -> None:
    log = Log()
    steps = (QUEUED, answer(502, "<html>"), reset, answer(404, "{}"), answer(429), DONE)
    assert wait_for_clip(*steps, log=log).outcome.video_url == "https://m/a.mp4"
    assert log.lines[0] == "Request a is queued."
    assert sum("Waiting on." in line for line in log.lines) == 4


def test_retry_after_delays_the_next_poll() -> None:
    began = time.monotonic()
    wait_for_clip(answer(429, Retry_After="1"), DONE)
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("steps", "fields", "kind"),
    [
        ([answer(401)], {}, Unauthorized),
        ([answer(502)], {"unreachable_after": 0.05}, Unreachable),
        ([answer(404, "{}")], {"submitted_at": 0.0}, NotFound),
        ([QUEUED], {"deadline": 0.0}, GenerationTimeout),
    ],
)
def test_what_ends_a_wait(
    steps: list[Step], fields: dict[str, Any], kind: type[GMIError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kling_airflow.polling.decision.REFUSED_SECONDS", 0.05)
    with pytest.raises(kind):
        wait_for_clip(*steps, **fields)


def test_a_good_response_restarts_the_time_without_a_response() -> None:
    with pytest.raises(Unreachable, match="for 0 s"):
        wait_for_clip(QUEUED, answer(502), started_at=time.time() - 1000, unreachable_after=0.2)


class TestARotatedKey:
    """The connection gets a new key, and then the old one is revoked."""

    def test_the_wait_goes_on_with_the_new_key(self) -> None:
        log = Log()
        with scripted(QUEUED, answer(401), DONE) as server:
            hook = hook_of(server.url, "old")
            worker_wait = WorkerWait(wait_of("a"), hook, log, poll_interval=0.01)
            assert worker_wait.poll() is None
            store_connection(server.url, "new")
            assert worker_wait.poll() is not None
            keys = [b"Bearer new" in request for request in server.requests]
        assert keys == [False, False, True]

    def test_a_new_key_that_comes_late_is_waited_for(self) -> None:
        with scripted(answer(401), answer(403, '{"error": "no"}'), DONE) as server:
            hook = hook_of(server.url, "old")
            worker_wait = WorkerWait(wait_of("a"), hook, Log(), poll_interval=0.01)
            assert worker_wait.poll() is None, "refused, and no other key is there yet"
            store_connection(server.url, "new")
            assert worker_wait.poll() is not None

    def test_minutes_of_refusal_with_the_present_key_end_the_wait(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kling_airflow.polling.decision.REFUSED_SECONDS", 0.05)
        with pytest.raises(
            Unauthorized, match=r"present key of the connection `wait_test` since 20\d\d-.*UTC"
        ) as caught:
            wait_for_clip(QUEUED, answer(401))
        assert caught.value.money is Money.HELD

    def test_a_connection_that_can_not_be_read_now_ends_nothing(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = Log()
        with scripted(answer(401), DONE) as server:
            hook = hook_of(server.url, "old")
            worker_wait = WorkerWait(wait_of("a"), hook, log, poll_interval=0.01)
            with monkeypatch.context() as patch:
                patch.delenv("AIRFLOW_CONN_WAIT_TEST")
                assert worker_wait.poll() is None
            assert worker_wait.poll() is not None
        assert any("`wait_test` can't be read now (Unauthorized)" in line for line in log.lines)


def wait_of(request_id: str) -> Wait:
    now = time.time()
    return Wait(request_id=request_id, started_at=now, deadline=now + 20)
