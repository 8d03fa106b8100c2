"""An Airflow on PostgreSQL whose parts are processes of their own, so that each can be killed or stalled."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from kling_airflow.demo.cluster import USERNAME, airflow_environment, airflow_executable
from kling_airflow.demo.ports import LOOPBACK, free_ports
from kling_airflow.demo.service import Service
from tests.e2e.cluster_api import ClusterAPI, Row
from tests.e2e.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType


TASK = "airflow worker -- "
"""What the process of a task calls itself, the instance's id behind it."""
IS_TASK = re.compile(TASK + "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PASSWORD = "for-a-test"
STARTUP_SECONDS = 180
SETTINGS = {
    # A lost heartbeat is noticed in seconds instead of minutes; nothing else differs from the defaults.
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}


class Part(Service):
    """A process of Airflow with everything below it, to be killed, stalled, and started anew."""

    def signal(self, number: int) -> None:
        """Send a signal to the process and its children, tasks (groups of their own) left out."""
        assert self._process is not None, f"{self.name} is not running"
        os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """End it as a lost machine does: nobody is told."""
        assert self._process is not None, f"{self.name} is not running"
        self.signal(signal.SIGKILL)
        self._process.wait(timeout=10)
        self._process = None

    def stop(self, grace: float = 0.0) -> None:
        """End it with everything below it; nothing in a test cluster is worth a farewell."""
        super().stop(grace)


class Cluster:
    """Database, API server, scheduler with LocalExecutor, DAG processor and triggerers; a context manager.

    :param home: the folder of everything; the logs of the parts go there.
    :param dags: the folder of DAG files.
    :param environment: what tasks and DAG files are told besides: connections, folders.
    :param triggerers: their names.
    :param parallelism: how many tasks run at a time.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path,
        environment: Mapping[str, str],
        triggerers: tuple[str, ...] = ("triggerer-a", "triggerer-b"),
        parallelism: int = 8,
    ) -> None:
        port, worker_logs, *trigger_logs = free_ports(2 + len(triggerers))
        self.home = home
        self.database = Postgres()
        self.api = ClusterAPI(f"http://{LOOPBACK}:{port}", username=USERNAME, password=PASSWORD)
        airflow_home = home / "airflow"
        self._environment = (
            airflow_environment(airflow_home, dags.resolve(), port, worker_logs, trigger_logs[0])
            | SETTINGS
            | {
                "AIRFLOW__CORE__PARALLELISM": str(parallelism),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database.url,
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": self.database.url,
            }
            | dict(environment)
        )
        self.server = self._part("api-server", "--port", str(port))
        self.scheduler = self._part("scheduler")
        self.processor = self._part("dag-processor")
        # A job is known by the user's name: that tells the triggerers of one machine apart.
        self.triggerers = {
            name: self._part(
                "triggerer",
                name=name,
                settings={"AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(log_port), "LOGNAME": name},
            )
            for name, log_port in zip(triggerers, trigger_logs, strict=True)
        }

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every process of Airflow, in the order in which they are started."""
        return (self.server, self.processor, self.scheduler, *self.triggerers.values())

    def __enter__(self) -> Cluster:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything, and wait until every part reports that it is there.

        :raises DemoError: if a part ends first or takes too long.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, the database last."""
        for part in reversed(self.parts):
            part.stop()
        _end_orphans(self.home)
        self.database.stop()

    def require_running(self) -> None:
        """Check that no part has ended that wasn't killed on purpose."""
        self.database.require_running()
        for part in self.parts:
            part.require_running()

    def triggerer_alive(self, name: str) -> bool:
        """Whether Airflow counts this triggerer among the living."""
        part = self.triggerers[name]
        part.require_running()
        job = self.api.triggerers().get(name)
        return job is not None and job["state"] == "running"

    def tail(self) -> str:
        """Return the end of every part's log, for the message of a test that fails."""
        return "\n".join(f"--- {part.name}\n{part.tail(15)}" for part in self.parts)

    def _start(self) -> None:
        self.database.start()
        airflow_home = self.home / "airflow"
        airflow_home.mkdir(parents=True)
        (airflow_home / "passwords.json").write_text(json.dumps({USERNAME: PASSWORD}))
        with (self.home / "migrate.log").open("wb") as log:
            subprocess.run(
                [airflow_executable(), "db", "migrate"],
                check=True,
                env=self._environment,
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=STARTUP_SECONDS,
            )
        for part in self.parts:
            part.start()
        self.server.wait_until_ready(self.api.healthy, timeout=STARTUP_SECONDS)
        self.api.log_in()
        for name, part in self.triggerers.items():
            part.wait_until_ready(lambda name=name: self.triggerer_alive(name), timeout=STARTUP_SECONDS)

    def _part(
        self, *command: str, name: str | None = None, settings: Mapping[str, str] | None = None
    ) -> Part:
        label = name or command[0]
        return Part(
            label,
            [airflow_executable(), *command],
            log=self.home / f"{label}.log",
            env=self._environment | dict(settings or {}),
            cwd=self.home,
        )


def task_process(instance: Row) -> psutil.Process | None:
    """Return the process in which a task instance runs its code, or None if there is none (any more).

    :param instance: as the REST API gives it.
    """
    found = [one for one in psutil.process_iter() if title_of(one) == f"{TASK}{instance['id']}"]
    return found[0] if found else None


def task_processes(home: Path) -> list[psutil.Process]:
    """Return the processes in which a cluster's tasks run their code.

    :param home: the cluster's folder.
    """
    return [one for one in _processes(home) if IS_TASK.fullmatch(title_of(one))]


def supervisor_of(process: psutil.Process) -> psutil.Process:
    """Return the worker that watches over a task's process and speaks for it."""
    parent = process.parent()
    assert parent is not None
    return parent


def title_of(process: psutil.Process) -> str:
    """Return what a live process calls itself; nothing if it is none."""
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return " ".join(process.cmdline()).strip()
    return ""


def _processes(home: Path) -> list[psutil.Process]:
    """Return a cluster's processes, by the folder they run in: their titles hide their environment."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(home):
                found.append(process)
    return found


def _end_orphans(home: Path) -> None:
    """End what is left of a cluster whose parts were killed: tasks without a worker, workers without both."""
    for process in _processes(home):
        with suppress(psutil.Error):
            process.kill()
            process.wait(timeout=10)
