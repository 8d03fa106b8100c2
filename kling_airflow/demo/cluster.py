"""A complete Airflow in a folder: scheduler, worker, triggerer, DAG processor and API server."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kling_airflow.demo.airflow_api import AirflowAPI
from kling_airflow.demo.errors import DemoError
from kling_airflow.demo.ports import LOOPBACK, free_ports
from kling_airflow.demo.service import Service

STARTUP_SECONDS = 300
USERNAME = "admin"
MARK = ".made-by-kling-airflow"
# Variables of the shell that would change which database, store or queue the child uses.
FOREIGN = ("AIRFLOW_", "_AIRFLOW_", "AWS_", "GMI_")


class AirflowCluster:
    """``airflow standalone`` with its own folder and ports.

    :param home: its ``AIRFLOW_HOME``; emptied first, if it is that of an earlier cluster.
    :param dags: the folder of DAG files.
    :param connections: connection id to connection, in the JSON form of ``AIRFLOW_CONN_*``.
    :param port: of the UI and the API; a free one if None.
    :param settings: further environment variables, such as ``AIRFLOW__...`` options.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path,
        connections: Mapping[str, Mapping[str, Any]],
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        ui, worker_logs, trigger_logs = free_ports(3)
        self.home = home.resolve()
        self.password = secrets.token_urlsafe(9)
        self.api = AirflowAPI(f"http://{LOOPBACK}:{port or ui}", username=USERNAME, password=self.password)
        environment = airflow_environment(self.home, dags.resolve(), port or ui, worker_logs, trigger_logs)
        for name, connection in connections.items():
            environment[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)
        self.service = Service(
            "Airflow",
            [airflow_executable(), "standalone"],
            log=self.home.parent / "airflow.log",
            env=environment | dict(settings or {}),
            cwd=self.home.parent,
        )

    def start(self) -> None:
        """Start Airflow in an empty home; :meth:`wait_until_ready` waits until it answers.

        :raises DemoError: if the home is a folder that no demo made.
        """
        _empty(self.home)
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({USERNAME: self.password}))
        self.service.start()

    def wait_until_ready(self, timeout: float = STARTUP_SECONDS) -> None:
        """Wait until every component is healthy, then log in.

        :param timeout: seconds since the start.
        :raises DemoError: if Airflow ends first or takes longer.
        """
        self.service.wait_until_ready(self.api.healthy, timeout=timeout)
        self.api.log_in()

    def wait_for_dag(self, dag_id: str, timeout: float = STARTUP_SECONDS) -> None:
        """Wait until Airflow has read a DAG.

        :param dag_id: the DAG.
        :param timeout: seconds since the start.
        :raises DemoError: if its file can't be loaded, or the time is up.
        """

        def known() -> bool:
            if errors := self.api.import_errors():
                raise DemoError("A DAG file can't be loaded.", log_tail=errors[0], log_name="import error")
            return self.api.has_dag(dag_id)

        self.service.wait_until_ready(known, timeout=timeout)

    def stop(self) -> None:
        """Stop every process of the cluster."""
        self.service.stop()


def _empty(home: Path) -> None:
    """Delete the folder and make it again; refuse a folder that no demo made."""
    mark = home / MARK
    if home.exists() and any(home.iterdir()) and not mark.exists():
        raise DemoError(f"{home} is not a folder of an earlier demo. Choose another place with --home.")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    mark.touch()


def airflow_executable() -> str:
    """Return the path of the ``airflow`` command beside this Python.

    :raises DemoError: if there is none.
    """
    folder = Path(sys.executable).parent
    for candidate in (folder, Path(sysconfig.get_path("scripts"))):
        if (candidate / "airflow").is_file():
            return str(candidate / "airflow")
    raise DemoError(
        f"There is no `airflow` command in {folder}. "
        "Run the demo with the Python that has Airflow, or install it: pip install 'kling_airflow[demo]'"
    )


def clean_environment() -> dict[str, str]:
    """Return this process's environment without its Airflow, AWS and GMI settings.

    The folder of this Python comes first on the path (``airflow standalone`` executes plain ``airflow``),
    and no proxy stands between processes of one machine.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    kept["PATH"] = os.pathsep.join([str(Path(airflow_executable()).parent), kept.get("PATH", os.defpath)])
    local = f"{LOOPBACK},localhost"
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = f"{kept[name]},{local}" if kept.get(name) else local
    kept["PYTHONUNBUFFERED"] = "1"
    kept["NO_COLOR"] = "1"
    if sys.platform == "darwin":  # else the Objective-C runtime may kill a forked child
        kept["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
    return kept


def airflow_environment(
    home: Path, dags: Path, port: int, worker_logs: int, trigger_logs: int
) -> dict[str, str]:
    """Return the environment variables that configure the cluster.

    :param home: its ``AIRFLOW_HOME``, with the passwords of its users in ``passwords.json``.
    :param dags: the folder of DAG files.
    :param port: of the API server.
    :param worker_logs: the port at which the worker's logs can be read.
    :param trigger_logs: the port at which a triggerer's logs can be read.
    """
    url = f"http://{LOOPBACK}:{port}"
    core = {
        "DAGBAG_IMPORT_TIMEOUT": "300",  # a busy machine needs more than the usual 30 s
        "DAGS_FOLDER": str(dags),
        "EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "EXECUTOR": "LocalExecutor",
        "LOAD_EXAMPLES": "False",
        "PARALLELISM": "4",
        "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "SIMPLE_AUTH_MANAGER_USERS": f"{USERNAME}:admin",
        "TEST_CONNECTION": "Enabled",
    }
    sections = {
        "API": {"HOST": LOOPBACK, "PORT": str(port), "BASE_URL": url, "SECRET_KEY": secrets.token_hex(32)},
        "API_AUTH": {"JWT_SECRET": secrets.token_hex(32)},
        "CORE": core,
        "DAG_PROCESSOR": {"REFRESH_INTERVAL": "5"},
        "DATABASE": {"SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db"},
        "LOGGING": {
            "WORKER_LOG_SERVER_PORT": str(worker_logs),
            "TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
        },
        # Without this setting Airflow 3.3 sometimes marks a task as failed that defers within 3 s.
        # And on a busy machine its API server needs more than the usual 5 s to answer a worker.
        "WORKERS": {"MIN_HEARTBEAT_INTERVAL": "1", "EXECUTION_API_TIMEOUT": "60"},
    }
    options = {
        f"AIRFLOW__{section}__{key}": value
        for section, pairs in sections.items()
        for key, value in pairs.items()
    }
    return clean_environment() | options | {"AIRFLOW_HOME": str(home)}
