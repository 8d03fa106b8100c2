"""What the matrix asks of a running Airflow: REST API v1 (2.11), v2 (3.0 and later)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests

TIMEOUT = 60
USERNAME, PASSWORD = "admin", "for-a-test"


class API:
    """A person's view of an Airflow.

    :param base_url: where its API server, or its webserver, listens.
    :param second: whether it is Airflow 2.
    """

    def __init__(self, base_url: str, *, second: bool) -> None:
        self._base = f"{base_url}/api/{'v1' if second else 'v2'}"
        self._health = f"{self._base}/health" if second else f"{self._base}/monitor/health"
        self._token = None if second else f"{base_url}/auth/token"
        self._second = second
        self._session = requests.Session()
        self._session.trust_env = False

    def healthy(self) -> bool:
        """Whether scheduler and triggerer report that they are."""
        try:
            answer = self._session.get(self._health, timeout=TIMEOUT)
        except requests.ConnectionError:
            return False
        if not answer.ok:
            return False
        health = answer.json()
        return all(health[name]["status"] == "healthy" for name in ("scheduler", "triggerer"))

    def log_in(self) -> None:
        """Make every other call one of the admin."""
        if self._token is None:
            self._session.auth = (USERNAME, PASSWORD)
            return
        known = {"username": USERNAME, "password": PASSWORD}
        answer = self._session.post(self._token, json=known, timeout=TIMEOUT)
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def has_dag(self, dag_id: str) -> bool:
        """Whether the DAG has been parsed.

        :raises AssertionError: if a DAG file can't be loaded.
        """
        errors = self._call("GET", "importErrors")["import_errors"]
        assert not errors, errors[0]["stack_trace"]
        return self._session.get(f"{self._base}/dags/{dag_id}", timeout=TIMEOUT).ok

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        self._call("PATCH", "dags", dag_id, json={"is_paused": False}, params={"update_mask": "is_paused"})

    def start(self, dag_id: str, run_id: str) -> None:
        """Start a run."""
        values: dict[str, Any] = {"dag_run_id": run_id}
        if not self._second:
            values["logical_date"] = None
        self._call("POST", "dags", dag_id, "dagRuns", json=values)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return how a run is."""
        return str(self._call("GET", "dags", dag_id, "dagRuns", run_id)["state"])

    def instance(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Return a task instance."""
        found: dict[str, Any] = self._call("GET", "dags", dag_id, "dagRuns", run_id, "taskInstances", task_id)
        return found

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear a task and what follows it, as the button in the UI does."""
        chosen = {"dag_run_id": run_id, "task_ids": [task_id], "include_downstream": True}
        self._call(
            "POST", "dags", dag_id, "clearTaskInstances",
            json=chosen | {"dry_run": False, "only_failed": False, "reset_dag_runs": True},
        )  # fmt: skip

    def mark_failed(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Mark a task failed, as the button in the UI does."""
        values: dict[str, Any] = {"new_state": "failed"}
        if self._second:
            values["dry_run"] = False
        self._call("PATCH", "dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, json=values)

    def _call(self, method: str, *parts: str, **values: Any) -> Any:
        url = "/".join([self._base, *(quote(part, safe="") for part in parts)])
        answer = self._session.request(method, url, timeout=TIMEOUT, **values)
        assert answer.ok, f"{method} {url} answered {answer.status_code}: {answer.text[:500]}"
        return answer.json()
