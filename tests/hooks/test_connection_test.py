"""The connection's form and its *Test* button, as Airflow's API server answers its UI."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from tests.airflow_versions import AIRFLOW, needs_airflow
from tests.task_fixtures import queue as queue
from tests.task_fixtures import stepping as stepping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastapi.testclient import TestClient

    from kling_airflow.simulator import Simulator

pytestmark = needs_airflow("3.1", "one API for the form and its button")


@pytest.fixture(scope="module")
def api(airflow_db: Path) -> Iterator[TestClient]:
    """Airflow's own app; every user is an administrator."""
    from airflow.api_fastapi import app as airflow_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    settings = {
        "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for tests of the form, long enough for HS512, and more",
        "AIRFLOW__API__SECRET_KEY": "another secret for tests",
        "_AIRFLOW_PROCESS_CONTEXT": "server",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        airflow_app.purge_cached_app()
        with TestClient(airflow_app.create_app(apps="core"), base_url="http://airflow.test") as client:
            user = SimpleAuthManagerUser(username="admin", role="admin")
            token = airflow_app.get_auth_manager().generate_jwt(user)
            client.headers["authorization"] = f"Bearer {token}"
            yield client
        airflow_app.purge_cached_app()


def press_test(api: TestClient, **fields: Any) -> tuple[bool, str]:
    """Press *Test*; return whether it works, and what the UI shows."""
    answer = api.post(
        "/api/v2/connections/test",
        json={"connection_id": "gmi_test", "conn_type": "gmi_cloud", **fields},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["status"], answer.json()["message"]


def test_the_right_key_is_taken(api: TestClient, queue: Simulator) -> None:
    assert press_test(api, host=queue.base_url, password=queue.api_key) == (
        True,
        f"The queue at {queue.base_url} takes the key.",
    )


def test_a_wrong_key_is_refused_and_not_shown(api: TestClient, queue: Simulator) -> None:
    works, message = press_test(api, host=queue.base_url, password="the-wrong-key")
    assert not works
    assert message == (
        "The queue refused the API key (HTTP 401: Invalid API key). No money was spent."
        " Check the API key and the organization id in the connection."
    )


def test_a_wrong_url_names_the_url(api: TestClient, queue: Simulator) -> None:
    works, message = press_test(api, host=f"{queue.base_url}/portal", password=queue.api_key)
    assert not works
    assert f"the base URL of the connection is {queue.base_url}/portal" in message
    assert "Check the base URL (host) of the connection" in message


def test_a_host_that_does_not_listen_is_named(api: TestClient) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        works, message = press_test(api, host=address, password="key")
    assert not works
    assert address in message
    assert "connecting" in message


def test_a_host_without_a_scheme_that_speaks_no_tls_says_what_is_missing(
    api: TestClient, queue: Simulator
) -> None:
    host = queue.base_url.removeprefix("http://")
    works, message = press_test(api, host=host, password=queue.api_key)
    assert not works
    assert f"https://{host}" in message
    assert "doesn't speak TLS. Check the base URL (host) of the connection" in message


def test_the_form_has_its_fields_and_words(api: TestClient) -> None:
    answer = api.get("/ui/connections/hook_meta")
    (form,) = [meta for meta in answer.json() if meta["connection_type"] == "gmi_cloud"]
    if form["extra_fields"] is None and Version("3.2") > AIRFLOW:
        pytest.skip("before 3.2 this process may have read the providers without their forms already")
    assert {"organization_id", "max_calls_per_second"} <= form["extra_fields"].keys()
    assert form["standard_fields"]["password"]["title"] == "API key"
    assert form["standard_fields"]["host"]["title"] == "Base URL"
