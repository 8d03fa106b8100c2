"""The example DAG of elements, whole: one element, and two clips that show it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from tests.airflow_context import connect
from tests.dag_runs import Run, memory

EXAMPLE = Path(__file__).parents[2] / "dags" / "kling_elements.py"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=1000, render="fast") as simulator:
        yield simulator


def test_both_clips_show_the_element_that_was_made_once(
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
    bag = DagBag(Path(shutil.copy(EXAMPLE, dags_folder)))
    assert not bag.import_errors
    conf = {
        "front": (frames / "rocket.jpg").as_uri(),
        "side": (frames / "hubble_deep_field.jpg").as_uri(),
        "bucket": tmp_path.as_uri(),
    }
    with memory(dags_folder):
        run = Run(bag.dags["kling_elements"].test(run_conf=conf))

    assert run.state == "success", run.states
    assert sorted(path.name for path in tmp_path.rglob("*.mp4")) == ["runs.mp4", "wakes.mp4"]
    hero = run.result("hero")
    assert str(run.result("hero", "element_id")) == hero["element_id"]
    assert sorted((entry.model, entry.amount_usd) for entry in simulator.ledger()) == [
        ("kling-create-element", 0.0),
        ("kling-v3-omni", 0.56),
        ("kling-v3-omni", 0.56),
    ]
    with GMIClient(simulator.api_key, simulator.base_url) as client:
        for name in ("wakes", "runs"):
            payload = client.get(run.result(name)["request_id"]).payload
            assert payload["element_list"] == [{"element_id": hero["element_id"]}]
    assert [shot["duration"] for shot in payload["multi_prompt"]] == ["3", "2"]
