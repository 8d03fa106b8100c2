"""A person makes a connection in Airflow's UI and presses *Test*: wrong key, wrong URL, right key."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

chromium = pytest.importorskip("tests.browser.chromium").chromium

import uvicorn  # noqa: E402

from tests.task_fixtures import queue as queue  # noqa: E402
from tests.task_fixtures import stepping as stepping  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    from kling_airflow.simulator import Simulator

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
SETTINGS = {
    "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    "AIRFLOW__API_AUTH__JWT_SECRET": "a secret for tests of the form, long enough for HS512, and more",
    "AIRFLOW__API__SECRET_KEY": "another secret for tests",
    "_AIRFLOW_PROCESS_CONTEXT": "server",
}


@pytest.fixture(scope="module")
def airflow_url(airflow_db: Path) -> Iterator[str]:
    """Serve Airflow's API server with its UI; every visitor is an administrator."""
    from airflow.api_fastapi import app as airflow_app

    with pytest.MonkeyPatch.context() as patch, socket.socket() as listener:
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        airflow_app.purge_cached_app()
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(airflow_app.create_app(apps="core"), log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
        airflow_app.purge_cached_app()


def make_connection(page: Page, airflow_url: str, name: str, **fields: str) -> None:
    """Fill in the form and save it."""
    page.goto(f"{airflow_url}/connections")
    page.get_by_role("button", name="Add Connection").first.click()
    page.locator("input[name=connection_id]").fill(name)
    page.get_by_role("combobox").first.click()
    page.get_by_role("option", name="GMI Cloud").click()
    for field, value in fields.items():
        page.locator(f"input[name={field}]").fill(value)
    page.get_by_role("button", name="Save").click()


def press_test(page: Page, name: str) -> str:
    """Press *Test* in the list, and return what Airflow shows."""
    row = page.get_by_role("row").filter(has_text=name)
    shown = page.locator("[data-scope=toast][data-part=root]").filter(has_text="Test Connection")
    with page.expect_response(lambda answer: "/connections/test" in answer.url):
        row.get_by_role("button", name="Test Connection").click()
    shown.first.wait_for()
    return shown.first.inner_text()


@pytest.mark.parametrize(
    ("name", "path", "key", "words"),
    [
        ("gmi_wrong_key", "", "wrong", "The queue refused the API key"),
        ("gmi_wrong_url", "/portal", "", "the base URL of the connection is"),
        ("gmi_right", "", "", "successful"),
    ],
)
def test_the_button_gives_plain_texts(
    airflow_url: str, queue: Simulator, name: str, path: str, key: str, words: str
) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1360, "height": 1000})
        page.set_default_timeout(120_000)
        fields = {"host": queue.base_url + path, "password": key or queue.api_key, "port": "443"}
        make_connection(page, airflow_url, name, **fields)
        said = press_test(page, name).lower()
        assert words.lower() in said
        assert ("wrong" in name) == ("failed" in said)
