"""The REST client says what Airflow said."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from kling_airflow.demo.airflow_api import AirflowAPI

HEALTH = {name: {"status": "healthy"} for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")}


class Answers(BaseHTTPRequestHandler):
    """Answers every call with what the test has put into ``next``: a status and a body."""

    next: tuple[int, object] = (200, {})
    seen: list[str] = []  # noqa: RUF012 -- shared with the test on purpose

    def do_GET(self) -> None:
        status, body = type(self).next
        type(self).seen.append(self.path)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_POST = do_PATCH = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Be quiet."""


@pytest.fixture
def api() -> Iterator[AirflowAPI]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield AirflowAPI(f"http://127.0.0.1:{server.server_port}/", username="admin", password="x")
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("body", "healthy"),
    [
        (HEALTH, True),
        (HEALTH | {"triggerer": {"status": "unhealthy"}}, False),
        (HEALTH | {"triggerer": {"status": None}}, False),
        (HEALTH | {"dag_processor": None}, False),
        ({}, False),
    ],
)
def test_it_is_healthy_only_if_every_component_is(api: AirflowAPI, body: object, healthy: bool) -> None:
    Answers.next = (200, body)
    assert api.healthy() is healthy


def test_an_api_that_is_not_up_yet_is_not_healthy(api: AirflowAPI) -> None:
    Answers.next = (503, {})
    assert not api.healthy()


def test_a_refusal_carries_airflows_own_words(api: AirflowAPI) -> None:
    Answers.next = (400, {"detail": "Invalid input for param duration"})
    with pytest.raises(requests.HTTPError, match=r"POST .*/dags/d/dagRuns answered 400: .*param duration"):
        api.trigger("d", {"duration": 99})


def test_an_xcom_that_is_not_there_is_none(api: AirflowAPI) -> None:
    Answers.next = (404, {})
    assert api.xcom("d", "r", "t") is None


def test_a_run_id_is_quoted_in_the_path(api: AirflowAPI) -> None:
    Answers.next = (200, {"state": "running"})
    assert api.run_state("d", "manual__2026-11-23T04:21:23+00:00") == "running"
    assert Answers.seen[-1] == "/api/v2/dags/d/dagRuns/manual__2026-11-23T04%3A21%3A23%2B00%3A00"
