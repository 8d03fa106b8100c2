"""Airflow itself ends a waiting task: ``dagrun_timeout``, or another task's failure under ``fail_fast``.

No user has asked for that, so the paid request stays alive, the log says where it is, and a clear takes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kling_airflow.simulator import Simulator
from tests.e2e.world import CANCEL, Run, World

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.timeout(900)]
DAGS = ("timed_out", "failed_fast")
LONG = 15
"""Seconds of a clip that takes about 80 s to make at this speed."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One cluster for all tests of this module."""
    folder, dags = tmp_path_factory.mktemp("run-ends"), Path(__file__).with_name("dags")
    with (
        Simulator(speed=4.0, render="fast") as simulator,
        World(folder, dags=dags, names=DAGS, simulator=simulator, parallelism=4) as world,
    ):
        yield world


def wait_in_a_triggerer(run: Run) -> None:
    run.world.wait_for(lambda: run.instance()["triggerer_job"], f"a triggerer has {run.name}")


def require_alive(run: Run, task_id: str) -> None:
    """Require that the log names the request that stays alive, and that no call has cancelled it."""
    ids = [entry.request_id for entry in run.orders()]
    run.world.wait_for(lambda: "fail_fast" in run.log(task_id), f"{task_id} says why its request stays alive")
    assert any(request_id in run.log(task_id) for request_id in ids)
    assert not any(CANCEL in entry.calls for entry in run.orders())
    assert "GMI Cloud console" in run.log(task_id)


def test_a_timeout_of_the_run_cancels_nothing(world: World) -> None:
    world.simulator.faults.add("stuck-queued", contains="timed-out")
    run = world.start("timed_out", "timed-out")
    wait_in_a_triggerer(run)
    assert run.wait_until_over(timeout=240) == "failed"
    assert run.state() == "skipped"
    require_alive(run, "generate")


def test_a_failure_of_another_task_cancels_nothing(world: World) -> None:
    run = world.start("failed_fast", "failed-fast", duration=LONG)
    wait_in_a_triggerer(run)
    world.wait_for(
        lambda: "is queued" in run.log("on_worker") or "is proc" in run.log("on_worker"), "it waits"
    )
    (world.folder / f"{run.name}.fail").touch()
    assert run.wait_until_over() == "failed"
    assert run.state() == "skipped"
    assert run.state("on_worker") == "failed"
    require_alive(run, "generate")
    require_alive(run, "on_worker")
    world.cluster.api.clear(run.dag_id, run.name, "generate")
    run.wait_for_state("success")
    assert len(run.orders()) == 2, "the clear has bought nothing"
