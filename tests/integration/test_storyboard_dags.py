"""The example DAGs of storyboards, whole, against the simulator."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.version import Version

from kling_airflow.simulator import Simulator
from tests.airflow_context import connect
from tests.airflow_versions import AIRFLOW, needs_airflow
from tests.dag_runs import Run, memory, stored

DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=1000, render="fast") as simulator:
        yield simulator


@pytest.fixture
def load(simulator: Simulator, dags_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that loads an example DAG of a queue without requests."""
    from tests.airflow_versions import DagBag

    connect(monkeypatch, simulator.base_url, simulator.api_key)
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_DESTINATIONS", "file://")
    simulator.reset()
    copied: list[Path] = []

    def loaded(name: str) -> Any:
        copied.append(Path(shutil.copy(DAGS / f"{name}.py", dags_folder)))
        bag = DagBag(copied[-1])
        assert not bag.import_errors
        return stored(bag, name)

    with memory(dags_folder):
        yield loaded
    for path in copied:
        path.unlink()


def board(folder: Path, frame: str, **fields: Any) -> str:
    """Write a storyboard of two shots, one with two takes; return its address."""
    shots = [
        {"name": "launch", "frame": frame, "prompt": "The rocket rises.", "duration": 3, "takes": 2},
        {"name": "arrival", "frame": frame, "prompt": "The camera glides.", "duration": 3, **fields},
    ]
    (folder / "shots.json").write_text(json.dumps(shots))
    return (folder / "shots.json").as_uri()


def test_a_storyboard_becomes_a_film(simulator: Simulator, load: Any, tmp_path: Path, rocket: str) -> None:
    conf = {
        "storyboard": board(tmp_path, rocket),
        "bucket": (tmp_path / "out").as_uri(),
        "budget_usd": 2,
        "approve": False,
    }
    run = Run(load("kling_storyboard").test(run_conf=conf))
    assert run.state == "success"
    assert run.states["approve"] == "skipped"
    (folder,) = (tmp_path / "out").iterdir()
    films = sorted(path.name for path in folder.glob("*.mp4"))
    assert films == ["arrival.mp4", "film.mp4", "launch.1.mp4", "launch.2.mp4"]
    assert (folder / "contact-sheet.jpg").read_bytes().startswith(b"\xff\xd8")
    film = run.result("film")
    assert film["clips"] == 2
    assert film["duration_seconds"] == pytest.approx(6, abs=0.2)
    assert run.result("price").startswith("**3 clips for $1.51**")
    assert sum(entry.billed for entry in simulator.ledger()) == 3


def test_a_storyboard_above_its_budget_buys_nothing(
    simulator: Simulator, load: Any, tmp_path: Path, rocket: str
) -> None:
    conf = {"storyboard": board(tmp_path, rocket), "bucket": tmp_path.as_uri(), "budget_usd": 1}
    run = Run(load("kling_storyboard").test(run_conf=conf))
    assert (run.state, run.states["price"]) == ("failed", "failed")
    assert simulator.ledger() == []


@needs_airflow("3.1", "a task can ask a person")
def test_a_person_is_asked_with_the_price(load: Any) -> None:
    dag = load("kling_storyboard")
    approve = dag.task_dict["approve"]
    assert "clips" in approve.downstream_task_ids
    assert "price" in approve.body
    assert approve.fail_on_reject


@pytest.mark.skipif(Version("3.1") <= AIRFLOW, reason="from Airflow 3.1 on a person is asked")
def test_where_no_person_can_be_asked_nothing_is_bought(
    simulator: Simulator, load: Any, tmp_path: Path, rocket: str
) -> None:
    conf = {"storyboard": board(tmp_path, rocket), "bucket": tmp_path.as_uri(), "budget_usd": 2}
    run = Run(load("kling_storyboard").test(run_conf=conf))
    assert (run.state, run.states["approve"]) == ("failed", "failed")
    assert simulator.ledger() == []


def test_each_new_still_becomes_a_clip(simulator: Simulator, load: Any, tmp_path: Path, frames: Path) -> None:
    stills = [(frames / name).as_uri() for name in ("rocket.jpg", "hubble_deep_field.jpg", "rocket.jpg")]
    conf = {"stills": stills, "bucket": (tmp_path / "out").as_uri(), "duration": 3}
    run = Run(load("kling_on_new_still").test(run_conf=conf))
    assert run.state == "success"
    landed = sorted(path.stem.rpartition("-")[0] for path in (tmp_path / "out").rglob("*.mp4"))
    assert landed == ["hubble_deep_field", "rocket"]
    assert len(simulator.ledger()) == 2


@pytest.mark.parametrize(
    ("events", "names"),
    [
        ([{"uri": "s3://stills/a.jpg"}], ["a"]),
        ([{"uris": ["s3://stills/a.jpg", "s3://stills/b.jpg"]}], ["a", "b"]),
        ([{"uri": "s3://stills/a.jpg"}, {"uris": ["s3://stills/b.jpg", "s3://stills/a.jpg"]}], ["a", "b"]),
        ([{"uri": "s3://one/a.jpg"}, {"uri": "s3://two/a.jpg"}, {}, None], ["a", "a"]),
    ],
)
def test_single_and_batched_events(load: Any, events: list[Any], names: list[str]) -> None:
    from kling_airflow.storyboard import Storyboard

    dag = load("kling_on_new_still")
    given = {
        "params": {"stills": [], "prompt": "Rise.", "duration": 5},
        "triggering_asset_events": {"kling_stills": [SimpleNamespace(extra=extra) for extra in events]},
    }
    shots = dag.task_dict["shots"].python_callable(**given)
    assert [shot["name"].rpartition("-")[0] for shot in shots] == names
    assert len({shot["name"] for shot in shots}) == len(shots)
    Storyboard.load(shots)


def test_without_a_still_nothing_runs(load: Any) -> None:
    from tests.airflow_versions import AirflowSkipException

    shots = load("kling_on_new_still").task_dict["shots"].python_callable
    with pytest.raises(AirflowSkipException):
        shots(params={"stills": []}, triggering_asset_events={})
