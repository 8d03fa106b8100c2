"""The example of the docs: a user's DAG, tested without spending."""

from __future__ import annotations

# --8<-- [start:tests]
import os
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.simulator import Simulator


@pytest.fixture
def rocket() -> Any:
    """The DAG, loaded from the DAGs folder."""
    from tests.airflow_versions import DagBag

    return DagBag(Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]) / "rocket.py").dags["rocket"]


def test_clip_is_paid_for_once_though_the_wait_meets_errors(
    gmi_simulator: Simulator, gmi_connection: str, rocket: Any, frame: str
) -> None:
    gmi_simulator.faults.add("bad-gateway", call="GET /requests/{id}", times=1)
    assert rocket.test(run_conf={"frame": frame}).state == "success"
    assert gmi_simulator.faults.list() == [], "it has struck"
    (entry,) = gmi_simulator.ledger()
    assert (entry.outcome, entry.amount_usd) == ("success", 1.26)


@pytest.mark.gmi_simulator(speed=500)
def test_failed_generation_fails_the_dag_and_costs_nothing(
    gmi_simulator: Simulator, gmi_connection: str, rocket: Any, frame: str
) -> None:
    gmi_simulator.fail_next("the vendor said no")
    assert rocket.test(run_conf={"frame": frame}).state == "failed"
    assert [entry.billed for entry in gmi_simulator.ledger()] == [False]


# --8<-- [end:tests]
