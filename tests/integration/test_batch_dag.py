"""The example DAG of a batch, whole: one of three shots is refused by the content policy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_airflow.simulator import Simulator
from tests.airflow_context import connect
from tests.dag_runs import Run, memory

EXAMPLE = Path(__file__).parents[2] / "dags" / "kling_batch.py"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=1000, render="fast") as simulator:
        yield simulator


def test_one_failed_shot_holds_up_no_other(
    simulator: Simulator,
    dags_folder: Path,
    tmp_path: Path,
    frames: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.airflow_versions import DagBag

    connect(monkeypatch, simulator.base_url, simulator.api_key)
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_DESTINATIONS", "file://")
    simulator.reset()
    simulator.faults.add("failed-content-policy", contains="a bad shot")
    rocket = (frames / "rocket.jpg").as_uri()
    shots = [
        {"name": "first", "image": rocket, "prompt": "Rise, {{ params.nothing }}."},
        {"name": "second", "image": rocket, "prompt": "This is a bad shot."},
        {"name": "third", "image": rocket, "prompt": '"Go!"'},
    ]
    bag = DagBag(Path(shutil.copy(EXAMPLE, dags_folder)))
    assert not bag.import_errors
    conf = {"shots": shots, "bucket": tmp_path.as_uri(), "duration": 3}
    with memory(dags_folder):
        run = Run(bag.dags["kling_batch"].test(run_conf=conf))

    assert run.state == "failed"
    assert sorted(path.name for path in tmp_path.rglob("*.mp4")) == ["first.mp4", "third.mp4"]
    assert {run.states[f"shot.clip[{index}]"] for index in (0, 2)} == {"success"}
    assert run.states["shot.clip[1]"] == "failed"
    assert run.states["report"] == "failed"
    assert sum(entry.billed for entry in simulator.ledger()) == 2
    report = run.result("report", "report")
    first, second, third, total = report.splitlines()
    assert first.startswith("first: file://")
    assert second.startswith("second: FAILED: Request ")
    assert third.startswith("third: file://")
    assert total == "2 of 3 landed, for $1.01."
