"""What a person can do to a run of a cluster, through Airflow's REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.demo.airflow_api import TIMEOUT, AirflowAPI

if TYPE_CHECKING:
    import requests

Row = dict[str, Any]


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
        return {job["unixname"]: job for job in self._jobs("TriggererJob")}

    def hosts_of(self, job_type: str) -> dict[str, str]:
        """Return the state of the newest job of a kind on each host, by the host's name."""
        return {job["hostname"]: str(job["state"]) for job in self._jobs(job_type)}

    def _jobs(self, job_type: str) -> list[Row]:
        asked = {"job_type": job_type, "order_by": "id", "limit": "1000"}
        found: list[Row] = self._send("GET", "jobs", params=asked).json()["jobs"]
        return found

    @staticmethod
    def _question(dag_id: str, run_id: str, task_id: str) -> tuple[str, ...]:
        return ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "-1", "hitlDetails")

    def _send(self, method: str, *parts: str, **values: Any) -> requests.Response:
        answer = self._session.request(method, self._url(*parts), timeout=TIMEOUT, **values)
        assert answer.ok, f"{method} {answer.url} answered {answer.status_code}: {answer.text[:500]}"
        return answer
