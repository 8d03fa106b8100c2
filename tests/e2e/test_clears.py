"""A task that a user clears finds the clip it has bought, on every Airflow and with every ledger.

From Airflow 3.4 on a clear discards the task state store, unless "keep task state" is ticked. Where the
installed Airflow is older, and its clear keeps the store, the tests discard the store themselves, through the
REST API, before they clear: the same is left of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from airflow import __version__ as airflow_version
from packaging.version import Version

from kling_airflow.simulator import Simulator
from tests.e2e.world import CANCEL, Run, World

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.timeout(900)]
CLEAR_DISCARDS = Version(airflow_version).release >= (3, 4)
LOOPS = CLEAR_DISCARDS
SPEED = 8.0
LONG = 15
"""Seconds of a clip that takes about 40 s to make at this speed; one of 3 s takes about 17 s."""
DAGS = ("cleared_store", "cleared_folder", "cleared_buy")
LOOPED = ("looped_store", "looped_folder") if LOOPS else ()


class Case(NamedTuple):
    """A clear: of a task in which state, with or without its task state, and with which ledger."""

    state: str
    keeps: bool
    dag_id: str

    @property
    def name(self) -> str:
        """The name of the case's run."""
        return f"{self.dag_id}-{self.state}-{'kept' if self.keeps else 'discarded'}"


CASES = [
    Case(state, keeps, dag_id)
    for state in ("deferred", "failed", "success")
    for keeps in (False, True)
    for dag_id in ("cleared_store", "cleared_folder")
]
BUYS = [Case(state, keeps=False, dag_id="cleared_buy") for state in ("deferred", "success")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One cluster for all tests of this module."""
    folder, dags = tmp_path_factory.mktemp("clears"), Path(__file__).with_name("dags")
    (folder / "ledger").mkdir()
    # Nothing is killed here: on a busy machine a late heartbeat must not look like a lost worker.
    environment = {
        "AIRFLOW__KLING__DEPLOYMENT": "clears",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "120",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "120",
    }
    with (
        Simulator(speed=SPEED, render="fast") as simulator,
        World(
            folder,
            dags=dags,
            names=DAGS + LOOPED,
            simulator=simulator,
            environment=environment,
            parallelism=3,
        ) as world,
    ):
        yield world


def cleared(world: World, case: Case) -> tuple[Run, str]:
    """Start a run, bring its generation into the case's state, and clear it.

    :return: the run, and the id of the request that it had before the clear.
    """
    run = world.start(case.dag_id, case.name, duration=3 if case.state == "success" else LONG)
    bought = run.wait_until_ordered()
    clear(run, case)
    world.wait_for(lambda: run.instance()["try_number"] == 2, f"{run.name} has a second try")
    return run, bought.request_id


def clear(run: Run, case: Case) -> None:
    """Bring a run's generation into the case's state, and clear it."""
    api = run.world.cluster.api
    if case.state == "success":
        assert run.wait_until_over() == "success", run.log()
    else:
        run.world.wait_for(lambda: run.instance()["triggerer_job"], f"a triggerer has {run.name}")
    if case.state == "failed":
        api.mark(run.dag_id, run.name, "generate", "failed")
        assert run.wait_until_over() == "failed"
    if CLEAR_DISCARDS:
        api.clear(run.dag_id, run.name, "generate", keep_task_state=case.keeps)
        return
    if not case.keeps:
        api.discard_task_state(run.dag_id, run.name, "generate")
    api.clear(run.dag_id, run.name, "generate")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_cleared_task_keeps_its_clip(world: World, case: Case) -> None:
    run, bought = cleared(world, case)
    billed = run.require_one_landed()
    assert billed.request_id == bought
    assert CANCEL not in billed.calls
    assert len(run.orders()) == 1
    found = (
        "Adopted request" if case == Case(case.state, False, "cleared_store") else "Re-attached to request"
    )
    assert found in run.log(attempt=2)


@pytest.mark.parametrize("case", BUYS, ids=lambda case: case.name)
def test_a_task_that_buys_on_a_clear_buys_once_more(world: World, case: Case) -> None:
    run, bought = cleared(world, case)
    assert run.wait_until_over() == "success", run.log()
    landed = run.world.cluster.api.xcom(run.dag_id, run.name, "land")
    assert len(run.orders()) == 2
    assert landed["request_id"] != bought


@pytest.mark.skipif(not LOOPS, reason="loops came with Airflow 3.4; tests/task/test_cleared.py emulates them")
@pytest.mark.parametrize("dag_id", LOOPED)
def test_each_iteration_of_a_loop_buys_its_own_clip(world: World, dag_id: str) -> None:
    run = world.start(dag_id, dag_id)
    assert run.wait_until_over() == "success", run.log("takes.generate")
    assert [entry.billed for entry in run.orders()] == [True, True]
