"""The wait on the worker: passing errors, and ``Retry-After``."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.errors import GenerationTimeout, GMIError, NotFound, Unauthorized, Unreachable
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.retries import Retries
from kling_airflow.polling.decision import Wait
from kling_airflow.task.stop import StopFlag
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
    with scripted(*steps) as server, GMIClient("k", server.url, retries=Retries(attempts=1)) as client:
        worker_wait = WorkerWait(wait, client, log or Log(), poll_interval=0.01)
        return worker_wait.until_done(StopFlag(), defer=None)


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
def test_what_ends_a_wait(steps: list[Step], fields: dict[str, Any], kind: type[GMIError]) -> None:
    with pytest.raises(kind):
        wait_for_clip(*steps, **fields)


def test_a_good_response_restarts_the_time_without_a_response() -> None:
    with pytest.raises(Unreachable, match="for 0 s"):
        wait_for_clip(QUEUED, answer(502), started_at=time.time() - 1000, unreachable_after=0.2)
