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


def test_what_is_permanent_fails_at_once(dags_folder: Path) -> None:
    run = run_dag(dags_folder, "refused", DAG)
    assert run.states == {"fails": "failed"}, "none of the five retries was waited for"
