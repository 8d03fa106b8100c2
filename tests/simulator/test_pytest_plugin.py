"""The fixtures that users of the package test their DAGs with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kling_airflow.simulator import Simulator
from tests.simulator.client import Queue


def test_simulator_is_reset_before_each_test(gmi_simulator: Simulator) -> None:
    queue = Queue(gmi_simulator.base_url, gmi_simulator.api_key)
    assert gmi_simulator.ledger() == []
    gmi_simulator.faults.add("list-empty")
    queue.submit("inworld-tts-1.5-max", text="t")


test_simulator_is_reset_before_the_next_test = test_simulator_is_reset_before_each_test


def test_one_simulator_serves_all_tests(gmi_simulator: Simulator, request: pytest.FixtureRequest) -> None:
    assert request.getfixturevalue("_gmi_simulator") is gmi_simulator
    assert (gmi_simulator.settings.speed, gmi_simulator.settings.render) == (120, "fast")


@pytest.mark.gmi_simulator(speed=7, cancel="405")
def test_marked_test_has_its_own_simulator(gmi_simulator: Simulator) -> None:
    settings = gmi_simulator.settings
    assert (settings.speed, settings.cancel, settings.render) == (7, "405", "fast")


def test_connection_to_the_simulator(gmi_simulator: Simulator, gmi_connection: str) -> None:
    assert gmi_connection == "gmi_cloud_default"
    connection = json.loads(os.environ["AIRFLOW_CONN_GMI_CLOUD_DEFAULT"])
    assert connection == {
        "conn_type": "gmi_cloud",
        "host": gmi_simulator.base_url,
        "password": gmi_simulator.api_key,
    }


def test_connection_is_gone_after_the_test() -> None:
    assert "AIRFLOW_CONN_GMI_CLOUD_DEFAULT" not in os.environ


def test_project_that_has_the_package_installed(tmp_path: Path) -> None:
    """The fixtures need no import and no conftest, and nothing heavy is loaded before a test uses them."""
    (tmp_path / "test_project.py").write_text(
        "import sys\n"
        "import pytest\n"
        "HEAVY = ('airflow', 'fastapi', 'uvicorn', 'pydantic', 'PIL', 'av')\n"
        "@pytest.fixture(scope='session')\n"
        "def gmi_simulator_settings(): return {'speed': 33, 'render': 'fast'}\n"
        "def test_light(): assert [name for name in HEAVY if name in sys.modules] == []\n"
        "def test_settings(gmi_simulator): assert gmi_simulator.settings.speed == 33\n"
        "def test_no_airflow(gmi_connection): assert 'airflow' not in sys.modules\n"
    )
    plain = ["-p", "no:cacheprovider", "-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:anyio"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", *plain, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr
