"""Airflow's own task runner follows the retry policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.airflow_versions import needs_airflow
from tests.dag_runs import run_dag

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_airflow("3.3", "retry policies")

DAG = """
from tests.airflow_versions import dag, task
from kling_airflow.errors import Rejected
from kling_airflow.retry_policy import kling_retry_policy

@dag(default_args={"retries": 5, "retry_policy": kling_retry_policy()})
def refused():
    @task
    def fails():
        raise Rejected("The prompt is refused.")

    fails()

refused()
"""


FULL = """
from pathlib import Path
from datetime import timedelta
from tests.airflow_versions import dag, task
from kling_airflow.errors import NotAccepted
from kling_airflow.retry_policy import kling_retry_policy

@dag(default_args={"retries": 0, "retry_policy": kling_retry_policy(longest=timedelta(seconds=1))})
def full():
    @task
    def submits(**context):
        calls = Path("CALLS")
        calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
        if len(calls.read_text()) < 3:
            raise NotAccepted("The queue is full.")
        return context["ti"].try_number

    submits()

full()
"""


@needs_airflow("3.4", "a retry policy may reschedule")
def test_a_full_queue_uses_up_no_retry(dags_folder: Path, tmp_path: Path) -> None:
    run = run_dag(dags_folder, "full", FULL.replace("CALLS", str(tmp_path / "calls")))
    assert run.states == {"submits": "success"}, "twice refused, and not one retry was to be had"
    assert run.result("submits") == 1
    assert (tmp_path / "calls").read_text() == "xxx"


def test_what_is_permanent_fails_at_once(dags_folder: Path) -> None:
    run = run_dag(dags_folder, "refused", DAG)
    assert run.states == {"fails": "failed"}, "none of the five retries was waited for"
