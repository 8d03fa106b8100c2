"""``kling-airflow examples``: what a first user copies runs as it is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kling_airflow.__main__ import main
from kling_airflow.cli import examples
from kling_airflow.simulator import Simulator
from kling_airflow.storyboard import Storyboard
from tests.airflow_context import connect
from tests.airflow_versions import AIRFLOW
from tests.dag_runs import run_dag

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=100) as simulator:
        yield simulator


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the examples, whose settings a shell has read."""
    folder = tmp_path / "kling"
    assert main(["examples", str(folder)]) == 0
    for line in (folder / "environment.sh").read_text().splitlines():
        export, assignment = shlex.split(line)
        assert export == "export"
        monkeypatch.setenv(*assignment.split("=", 1))
    return folder


@pytest.mark.parametrize("dag_id", ["kling_image_to_video", "kling_storyboard"])
def test_the_copied_dag_lands_its_clips_with_nothing_edited(
    dag_id: str, environment: Path, simulator: Simulator, dags_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, simulator.base_url, simulator.api_key)
    source = (environment / "dags" / f"{dag_id}.py").read_text()
    conf = {"approve": False} if dag_id == "kling_storyboard" else {}
    run = run_dag(dags_folder, dag_id, source, run_conf=conf)
    assert run.state == "success", run.states
    landed = {path.name for path in (environment / "clips").rglob("*.mp4")}
    whole = {"clip.mp4"} if dag_id == "kling_image_to_video" else {"launch.1.mp4", "arrival.mp4", "film.mp4"}
    assert landed >= whole


def test_it_says_where_everything_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["examples", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"  . {tmp_path}/environment.sh\n" in said
    for name in ("dags/kling_image_to_video.py", "dags/kling_storyboard.py", "shots.yaml"):
        assert f"wrote  {tmp_path / name}\n" in said
    assert Storyboard.load(tmp_path / "shots.yaml").price().total_usd == 2.94


def test_a_file_that_was_edited_stays(environment: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = environment / "shots.yaml"
    mine.write_text("mine")
    capsys.readouterr()
    assert main(["examples", str(environment)]) == 0
    assert f"kept   {mine}\n" in capsys.readouterr().out
    assert mine.read_text() == "mine"


def test_the_dags_folder_may_be_airflows(tmp_path: Path) -> None:
    assert main(["examples", str(tmp_path / "kling"), "--dags", str(tmp_path / "dags")]) == 0
    assert {path.name for path in (tmp_path / "dags").iterdir()} == set(examples.DAGS)


@pytest.mark.parametrize(
    ("version", "names"),
    [((3, 2), {"AIRFLOW__KLING__LEDGER", "AIRFLOW__KLING__DEPLOYMENT"}), ((3, 3), set())],
)
def test_a_ledger_is_set_where_airflow_remembers_nothing(
    version: tuple[int, int], names: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examples, "_airflow", lambda: version)
    assert {name for name in examples.settings(tmp_path) if "LEDGER" in name or "DEPLOY" in name} == names


def test_no_person_is_asked_where_airflow_can_ask_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    approves = {}
    for version in ((3, 0), (3, 1)):
        monkeypatch.setattr(examples, "_airflow", lambda version=version: version)
        assert main(["examples", str(tmp_path / f"{version[1]}")]) == 0
        source = (tmp_path / f"{version[1]}" / "dags" / "kling_storyboard.py").read_text()
        approves[version] = source.partition('"approve": Param(')[2].split(",")[0].strip()
    assert approves == {(3, 0): "False", (3, 1): "True"}


def test_this_airflows_version_is_read() -> None:
    assert examples._airflow() == (AIRFLOW.major, AIRFLOW.minor)


def test_a_path_that_a_shell_would_split_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["examples", str(tmp_path / "a b")]) == 2
    assert "take another" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["examples", str(tmp_path / "file")]) == 1
    assert f"{tmp_path}/file" in capsys.readouterr().err
