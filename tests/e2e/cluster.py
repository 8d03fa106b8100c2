"""An Airflow on PostgreSQL whose parts are processes of their own, so that each can be killed or stalled."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil

from kling_airflow.demo.airflow_api import TIMEOUT, AirflowAPI
from kling_airflow.demo.cluster import USERNAME, airflow_environment, airflow_executable
from kling_airflow.demo.ports import LOOPBACK, free_ports
from kling_airflow.demo.service import Service
from tests.e2e.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    import requests

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
Row = dict[str, Any]


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


class ClusterAPI(AirflowAPI):
    """What a person can do to a run while it is under way."""

    def start(self, dag_id: str, run_id: str, params: Row) -> None:
        """Start a run under a run id of our own."""
        values = {"dag_run_id": run_id, "logical_date": None, "conf": params}
        self._send("POST", "dags", dag_id, "dagRuns", json=values)

    def all_instances(self, dag_id: str, run_id: str) -> list[Row]:
        """Return every task instance of a run, however many there are."""
        rows: list[Row] = []
        while True:
            asked = {"limit": "100", "offset": str(len(rows)), "order_by": "id"}
            parts = ("dags", dag_id, "dagRuns", run_id, "taskInstances")
            page = self._send("GET", *parts, params=asked).json()
            rows += page["task_instances"]
            if len(rows) >= page["total_entries"]:
                return rows

    def instances(self, dag_id: str, run_id: str, task_id: str) -> list[Row]:
        """Return a task's instances, the mapped ones by their index."""
        rows = [row for row in self.task_instances(dag_id, run_id) if row["task_id"] == task_id]
        return sorted(rows, key=lambda row: int(row["map_index"]))

    def instance(self, dag_id: str, run_id: str, task_id: str) -> Row:
        """Return the instance of a task that isn't mapped."""
        (row,) = self.instances(dag_id, run_id, task_id)
        return row

    def mapped_xcom(
        self, dag_id: str, run_id: str, task_id: str, map_index: int, key: str = "return_value"
    ) -> Any:
        """Return what an instance of a mapped task pushed."""
        parts = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        asked = {"map_index": str(map_index), "deserialize": "true"}
        return self._send("GET", *parts, params=asked).json()["value"]

    def mark(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task failed, success or skipped, as the button in the UI does."""
        mapped = (str(map_index),) if map_index >= 0 else ()
        parts = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, *mapped)
        self._send("PATCH", *parts, json={"new_state": state})

    def mark_run(self, dag_id: str, run_id: str, state: str) -> None:
        """Mark a whole run failed or success, as the button in the UI does."""
        self._send("PATCH", "dags", dag_id, "dagRuns", run_id, json={"state": state})

    def clear(self, dag_id: str, run_id: str, task_id: str, **options: bool) -> None:
        """Clear a task and what follows it, as the button in the UI does.

        :param options: further fields of the call, such as ``keep_task_state`` of Airflow 3.4.
        """
        chosen = {"dag_run_id": run_id, "task_ids": [task_id], "include_downstream": True} | options
        self._send(
            "POST",
            *("dags", dag_id, "clearTaskInstances"),
            json=chosen | {"dry_run": False, "only_failed": False},
        )

    def discard_task_state(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Delete everything in a task's state store, as a clear does in Airflow 3.4 and later."""
        self._send("DELETE", "dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "state-store")

    def delete_run(self, dag_id: str, run_id: str) -> None:
        """Delete a run with everything in it; Airflow refuses while it is running."""
        self._send("DELETE", "dags", dag_id, "dagRuns", run_id)

    def question(self, dag_id: str, run_id: str, task_id: str) -> Row:
        """Return what a task asks a person (Airflow 3.1 and later)."""
        found: Row = self._send("GET", *self._question(dag_id, run_id, task_id)).json()
        return found

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> None:
        """Choose an option in a task's question, as the button in the UI does."""
        self._send("PATCH", *self._question(dag_id, run_id, task_id), json={"chosen_options": [option]})

    def store_event(self, asset: str, extra: Row) -> None:
        """Store an event of an asset, as another system does that knows of new files."""
        assets = self._send("GET", "assets", params={"name_pattern": asset}).json()["assets"]
        (asset_id,) = (row["id"] for row in assets if row["name"] == asset)
        self._send("POST", "assets", "events", json={"asset_id": asset_id, "extra": extra})

    def run_ids(self, dag_id: str) -> set[str]:
        """Return the ids of a DAG's runs."""
        rows = self._send("GET", "dags", dag_id, "dagRuns", params={"limit": "100"}).json()["dag_runs"]
        return {str(row["dag_run_id"]) for row in rows}

    def set_slots(self, pool: str, slots: int) -> None:
        """Make a pool, or change how many tasks it lets run; 0 holds them back."""
        url = self._url("pools")
        answer = self._session.post(
            url, json={"name": pool, "slots": slots, "include_deferred": False}, timeout=TIMEOUT
        )
        if answer.status_code == 409:
            values = {"pool": pool, "slots": slots, "include_deferred": False}
            self._send("PATCH", "pools", pool, json=values, params={"update_mask": "slots"})
        else:
            answer.raise_for_status()

    def triggerers(self) -> dict[str, Row]:
        """Return the newest job of each triggerer by the triggerer's name."""
        asked = {"job_type": "TriggererJob", "order_by": "id", "limit": "1000"}
        jobs = self._send("GET", "jobs", params=asked).json()["jobs"]
        return {job["unixname"]: job for job in jobs}

    @staticmethod
    def _question(dag_id: str, run_id: str, task_id: str) -> tuple[str, ...]:
        return ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "-1", "hitlDetails")

    def _send(self, method: str, *parts: str, **values: Any) -> requests.Response:
        answer = self._session.request(method, self._url(*parts), timeout=TIMEOUT, **values)
        assert answer.ok, f"{method} {answer.url} answered {answer.status_code}: {answer.text[:500]}"
        return answer


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
    found = [one for one in psutil.process_iter() if _title(one) == f"{TASK}{instance['id']}"]
    return found[0] if found else None


def task_processes(home: Path) -> list[psutil.Process]:
    """Return the processes in which a cluster's tasks run their code.

    :param home: the cluster's folder.
    """
    return [one for one in _processes(home) if IS_TASK.fullmatch(_title(one))]


def supervisor_of(process: psutil.Process) -> psutil.Process:
    """Return the worker that watches over a task's process and speaks for it."""
    parent = process.parent()
    assert parent is not None
    return parent


def _title(process: psutil.Process) -> str:
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
