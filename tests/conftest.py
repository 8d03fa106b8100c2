"""One temporary Airflow for the whole test session (one for each xdist worker)."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from kling_airflow.polling import decision

# A busy machine is not a slow test.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="kling-airflow-tests-"))
DAGS_FOLDER = AIRFLOW_HOME / "dags"
DAGS_FOLDER.mkdir()
atexit.register(shutil.rmtree, AIRFLOW_HOME, ignore_errors=True)

# Airflow reads these when it is first imported, so they are set before any test module is.
os.environ.update(
    {
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS_FOLDER),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    }
)
for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]:
    del os.environ[name]


# A test that looks every 10 ms is a short test; `tests/polling/test_decision.py` tests the real value.
decision.MIN_INTERVAL = 0.01  # type: ignore[misc]


@pytest.fixture(scope="session")
def airflow_db() -> Path:
    """An initialized metadata database; returns AIRFLOW_HOME."""
    from airflow.utils.db import initdb

    initdb()
    return AIRFLOW_HOME


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """What has been logged: Airflow 3 prints it, and Airflow 2 hands it to the handlers of ``logging``."""
    return lambda: capsys.readouterr().out + caplog.text


@pytest.fixture(scope="session")
def dags_folder(airflow_db: Path) -> Path:
    """The folder that ``dag.test()`` finds DAG files in; write each test's DAG to a file of its own."""
    return DAGS_FOLDER


def pytest_unconfigure(config: pytest.Config) -> None:
    """Name what has failed once more, a line each: of a long log only the end may be kept."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for kind in ("failed", "error") if reporter else ():
        for report in reporter.stats.get(kind, []):
            crash = getattr(report.longrepr, "reprcrash", None)
            said = (crash.message if crash else str(report.longrepr)).partition("\n")[0]
            reporter.write_line(f"{kind}: {report.nodeid}: {said[:300]}")
