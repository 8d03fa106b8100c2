"""A task's context without a scheduler: real operators, the connection from the environment, XComs kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.version import Version

from kling_airflow import airflow_compat
from tests.airflow_versions import AIRFLOW

RUN_AFTER = datetime.now(UTC)
"""When the run of every test began."""


class TaskInstance:
    """What operators ask of their task instance."""

    dag_id, run_id, task_id, map_index = "dag", "run", "submit", -1

    def __init__(self, try_number: int = 1, max_tries: int = 0) -> None:
        self.try_number = try_number
        self.max_tries = max_tries
        self.xcoms: dict[str, Any] = {}
        self.first_reschedule: Any = None

    def xcom_push(self, key: str, value: Any) -> None:
        json.dumps(value)
        self.xcoms[key] = value

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int = -1) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index), "only XComs of its own are kept"
        return self.xcoms.get(key)

    def get_first_reschedule_date(self, context: Any) -> Any:
        return self.first_reschedule


class TaskStateStore:
    """Airflow's task state store: JSON in, JSON out; survives tries; a stale try's write raises."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.retentions: dict[str, Any] = {}
        self.stale = False

    @property
    def records(self) -> dict[str, str]:
        """The submissions' records, the index aside."""
        return {key: value for key, value in self.values.items() if ".submission." in key}

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        if self.stale:
            raise RuntimeError("this try has been replaced")
        self.values[key] = json.dumps(value)
        self.retentions[key] = retention

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


if Version("3.3") > AIRFLOW:
    # This Airflow has no task state store. Tests of operators bring one all the same: what an operator does
    # with a ledger is the same on every version. Which ledger it gets is tested in tests/hooks.
    airflow_compat.NEVER_EXPIRE = "never"


def context(
    store: TaskStateStore | None = None, *, try_number: int = 1, max_tries: int = 0, clear_number: int = 0
) -> dict[str, Any]:
    """Return a new try's context; hand the same store in again for the next try.

    A new store in a later try is what a clear leaves in Airflow 3.4, which discards the old one.

    :param try_number: Airflow's number of the try.
    :param max_tries: the retries of the task, plus the tries before the last clear.
    :param clear_number: how often a user has cleared tasks of the run.
    """
    return {
        "ti": TaskInstance(try_number, max_tries),
        "dag_run": SimpleNamespace(run_after=RUN_AFTER, clear_number=clear_number),
        "task_state_store": TaskStateStore() if store is None else store,
    }


def connect(monkeypatch: pytest.MonkeyPatch, base_url: str, key: str = "key", **extra: Any) -> None:
    """Define ``gmi_cloud_default``."""
    connection = {"conn_type": "gmi_cloud", "host": base_url, "password": key, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_GMI_CLOUD_DEFAULT", json.dumps(connection))
