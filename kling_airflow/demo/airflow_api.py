"""The few calls of Airflow's REST API that a run needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

LogEntry = str | dict[str, Any]
TIMEOUT = 30
COMPONENTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")


class AirflowAPI:
    """A person's view of an Airflow: its health, its DAGs, one run after another.

    :param base_url: where the API server listens.
    :param username: of the simple auth manager.
    :param password: his or hers.
    """

    def __init__(self, base_url: str, *, username: str, password: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._credentials = {"username": username, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False

    def healthy(self) -> bool:
        """Whether database, scheduler, triggerer and DAG processor all report that they are."""
        response = self._session.get(f"{self.base_url}/api/v2/monitor/health", timeout=TIMEOUT)
        if not response.ok:
            return False
        health = response.json()
        return all((health.get(name) or {}).get("status") == "healthy" for name in COMPONENTS)

    def log_in(self) -> None:
        """Get a token; every other call but :meth:`healthy` needs one."""
        response = self._session.post(f"{self.base_url}/auth/token", json=self._credentials, timeout=TIMEOUT)
        _require_ok(response)
        self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"

    def has_dag(self, dag_id: str) -> bool:
        """Whether the DAG has been parsed and stored."""
        response = self._session.get(self._url("dags", dag_id), timeout=TIMEOUT)
        return response.ok

    def import_errors(self) -> list[str]:
        """Return the stack trace of each DAG file that can't be loaded."""
        return [row["stack_trace"] for row in self._get("importErrors")["import_errors"]]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        response = self._session.patch(
            self._url("dags", dag_id),
            json={"is_paused": False},
            params={"update_mask": "is_paused"},
            timeout=TIMEOUT,
        )
        _require_ok(response)

    def trigger(self, dag_id: str, conf: dict[str, Any]) -> str:
        """Start a run; returns its run id.

        :param dag_id: the DAG.
        :param conf: values for its params.
        """
        response = self._session.post(
            self._url("dags", dag_id, "dagRuns"), json={"logical_date": None, "conf": conf}, timeout=TIMEOUT
        )
        _require_ok(response)
        run_id: str = response.json()["dag_run_id"]
        return run_id

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return ``queued``, ``running``, ``success`` or ``failed``."""
        state: str = self._get("dags", dag_id, "dagRuns", run_id)["state"]
        return state

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the run's task instances as the API describes them."""
        rows: list[dict[str, Any]] = self._get("dags", dag_id, "dagRuns", run_id, "taskInstances")[
            "task_instances"
        ]
        return rows

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return what a task pushed, or None while there is nothing."""
        url = self._url("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        response = self._session.get(url, params={"deserialize": "true"}, timeout=TIMEOUT)
        if response.status_code == 404:
            return None
        _require_ok(response)
        return response.json()["value"]

    def log_entries(self, dag_id: str, run_id: str, task_id: str, try_number: int) -> list[LogEntry]:
        """Return the log of one try of a task, oldest entry first."""
        response = self._session.get(
            self._url("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", str(try_number)),
            headers={"Accept": "application/json"},
            params={"full_content": "true"},
            timeout=TIMEOUT,
        )
        _require_ok(response)
        entries: list[LogEntry] = response.json()["content"]
        return entries

    def _get(self, *parts: str) -> Any:
        response = self._session.get(self._url(*parts), timeout=TIMEOUT)
        _require_ok(response)
        return response.json()

    def _url(self, *parts: str) -> str:
        return "/".join([self.base_url, "api", "v2", *(quote(part, safe="") for part in parts)])


def _require_ok(response: requests.Response) -> None:
    """Raise with what Airflow says, not only with the code."""
    if not response.ok:
        raise requests.HTTPError(
            f"{response.request.method} {response.url} answered {response.status_code}: "
            f"{response.text[:500]}",
            response=response,
        )
