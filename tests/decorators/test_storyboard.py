"""A function says which shots; one task buys and lands them all, each once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.decorators.storyboard import KlingStoryboardFunction
from tests.airflow_context import TaskStateStore, context
from tests.dag_runs import run_dag
from tests.task_fixtures import *  # noqa: F403 -- fixtures are found by their names
from tests.tasks import finish, posts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kling_airflow.simulator import Simulator


def shots(rocket: str, *names: str) -> list[dict[str, Any]]:
    return [{"name": name, "frame": rocket, "prompt": name, "duration": 3} for name in names]


def board(function: Callable[..., Any], folder: Path, **fields: Any) -> Any:
    quick = {"poll_interval": 0.01, "land_every": 0, "resubmit_delay": 0}
    return KlingStoryboardFunction(
        python_callable=function, task_id="clips", destination=folder.as_uri(), **(quick | fields)
    )


@pytest.fixture(autouse=True)
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what a function returns name files: it is data."""
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file:// https:// http://")


@pytest.mark.parametrize("deferrable", [True, False])
def test_all_shots_land_and_a_retry_buys_nothing(
    queue: Simulator, rocket: str, tmp_path: Path, deferrable: bool
) -> None:
    store, calls = TaskStateStore(), []

    def launch() -> Any:
        calls.append(1)
        return shots(rocket, "launch", "arrival")

    reports = []
    for number in (1, 2):
        given = context(store, try_number=number)
        given["ti"].task_id = "clips"
        reports.append(finish(board(launch, tmp_path, deferrable=deferrable), given))
    assert [report["landed"] for report in reports] == [2, 2]
    assert posts(queue) == 2
    assert len(calls) == 2, "once in each try"
    assert {path.name for path in tmp_path.glob("*.mp4")} == {"launch.mp4", "arrival.mp4"}


@pytest.mark.parametrize("value", [None, [], 3])
def test_what_is_no_storyboard_is_refused(queue: Simulator, tmp_path: Path, value: Any) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="must return a list of shots"):
        board(lambda: value, tmp_path).execute(context())
    assert posts(queue) == 0


def test_a_wrong_literal_of_the_decorator_is_said_at_parse(tmp_path: Path) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="on_shot_failure"):
        board(list, tmp_path, on_shot_failure="stop")


DAG = """
from tests.airflow_versions import dag, task

@dag()
def decorated_board():
    @task.kling_storyboard(destination="FOLDER", poll_interval=1, land_every=0, budget_usd=2)
    def clips(names):
        return [{"name": name, "frame": "IMAGE", "prompt": name, "duration": 3} for name in names]

    @task
    def uris(report):
        return [row["uri"] for row in report["shots"]]

    uris(clips(["launch", "arrival"]))

decorated_board()
"""


def test_airflow_runs_it(queue: Simulator, rocket: str, dags_folder: Path, tmp_path: Path) -> None:
    source = DAG.replace("IMAGE", rocket).replace("FOLDER", tmp_path.as_uri())
    run = run_dag(dags_folder, "decorated_board", source)
    assert run.states == {"clips": "success", "uris": "success"}
    assert [uri.rpartition("/")[2] for uri in run.result("uris")] == ["launch.mp4", "arrival.mp4"]
