"""A shot that fails leaves its error at its place, and every other clip keeps its own name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kling_airflow.simulator import Simulator
from tests.airflow_context import connect
from tests.dag_runs import run_dag

DAG_FILE = """
from tests.airflow_versions import DAG, task
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator as Buy

with DAG("bad_rows", schedule=None):
    @task
    def rows():
        return [{"prompt": "rise"}, {"prompt": "fall", "duration": 20}, {"prompt": "b\\0"}]

    Buy.partial(task_id="buy").expand_kwargs(rows())
"""


def test_a_wrong_row_of_data_fails_its_own_shot_only(
    dags_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves its error at its place in the list, so that later clips keep their own names."""
    with Simulator(speed=1000, render="fast", submit_seconds=0) as simulator:
        connect(monkeypatch, simulator.base_url, simulator.api_key)
        run = run_dag(dags_folder, "bad_rows", DAG_FILE)
        assert run.states["buy[0]"] == "success"
        assert [run.states[f"buy[{index}]"] for index in (1, 2)] == ["failed"] * 2
        assert "3 to 15 seconds" in run.result("buy[1]")["error"]
        assert len(simulator.ledger()) == 1
