"""What is left of a paid generation when its worker, its triggerer or its user ends it at the worst moment.

Each test ends with the queue's own billing ledger: exactly one request billed and its clip landed, or the
request cancelled where a user asked for that.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kling_airflow.simulator import Simulator
from tests.e2e.cluster import supervisor_of, task_process
from tests.e2e.world import CANCEL, DAGS, Run, World, prompt_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psutil

    from kling_airflow.simulator.queue.billing import LedgerEntry

pytestmark = [pytest.mark.e2e, pytest.mark.postgres, pytest.mark.timeout(900)]
LINES = ("before-intent", "after-intent", "after-answer", "after-persisting")
SPEED = 8.0
LONG = 15
"""Seconds of a clip that takes about 40 s to make at this speed; one of 3 s takes about 17 s."""
STAYS_ALIVE = "stays alive: no user has ended the task"
"""What a trigger says when it was ended, and its request was not."""
NOTHING_IS_SENT = "Nothing is sent."
"""What a try says that has neither found nor ruled out an earlier one's request."""
MARGIN = 30.0
SENDING_SECONDS = 180.0 + MARGIN
"""How long a POST may take to arrive, with a margin; before that nothing is proven absent."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One cluster for all tests of this module."""
    folder, dags = tmp_path_factory.mktemp("kills"), Path(__file__).with_name("dags")
    (folder / "ledger").mkdir()
    told = {"AIRFLOW__KLING__DEPLOYMENT": "kills"}
    with (
        Simulator(speed=SPEED, render="fast") as simulator,
        World(folder, dags=dags, names=DAGS, simulator=simulator, environment=told) as world,
    ):
        yield world


@pytest.fixture(scope="module", autouse=True)
def paused(world: World) -> dict[str, Run]:
    """A run for each line at which a worker is to die, all under way at once; they wait there."""
    return {line: world.start("pausing", f"dies-{line}", line=line) for line in LINES}


@pytest.fixture(scope="module")
def stalled(world: World) -> Run:
    """A run whose worker is to stall before its POST; not for so long that it would write its intent anew."""
    return world.start("pausing", "stalls", line="after-intent")


def process_of(run: Run) -> psutil.Process:
    """Wait for the process in which a run's generation is, and return it."""
    return run.world.wait_for(lambda: task_process(run.instance()), f"{run.name} has a process")


def process_at_the_line(run: Run) -> psutil.Process:
    """Wait until the worker is at the line where it pauses, and return the process of its task."""
    reached = run.world.folder / f"{run.name}.reached"
    run.world.wait_for(reached.exists, f"{run.name} is at its line")
    return process_of(run)


def test_the_process_dies_after_intent_and_before_the_post(world: World, paused: dict[str, Run]) -> None:
    """The test at the end of this module sees how it goes on: nothing can be ruled out for minutes."""
    run = paused["after-intent"]
    process_at_the_line(run).kill()
    assert run.orders() == []


@pytest.mark.parametrize("line", ["before-intent", "after-answer", "after-persisting"])
def test_the_process_dies_at_a_line(world: World, paused: dict[str, Run], line: str) -> None:
    run = paused[line]
    process_at_the_line(run).kill()
    run.require_one_landed()
    said = run.log()
    assert ("Adopted request" in said) == (line == "after-answer")
    assert ("Re-attached to request" in said) == (line == "after-persisting")


def test_the_process_dies_during_its_post(world: World) -> None:
    world.simulator.faults.add("late-answer", contains="dies-in-flight", seconds=60)
    run = world.start("deferred", "dies-in-flight")
    entry = run.wait_until_ordered()
    process_of(run).kill()
    assert run.require_one_landed().request_id == entry.request_id
    assert "Adopted request" in run.log()


def test_the_whole_worker_is_lost_during_its_post(world: World) -> None:
    world.simulator.faults.add("late-answer", contains="worker-lost", seconds=60)
    run = world.start("deferred", "worker-lost")
    entry = run.wait_until_ordered()
    process = process_of(run)
    supervisor_of(process).kill()
    process.kill()
    assert run.require_one_landed().request_id == entry.request_id


def test_a_worker_stalls_before_its_post_and_comes_back_replaced(world: World, stalled: Run) -> None:
    """The first try sends when the second is already there. A test further down sees how it goes on."""
    process = process_at_the_line(stalled)
    worker = supervisor_of(process)
    worker.suspend()
    process.suspend()
    world.wait_for(lambda: stalled.instance()["try_number"] == 2, "a second try took over")
    world.wait_for(lambda: NOTHING_IS_SENT in stalled.log(attempt=2), "the second try has looked")
    (world.folder / f"{stalled.name}.release").touch()
    process.resume()
    stalled.wait_until_ordered()
    worker.resume()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_process_is_ended_while_it_waits(world: World, number: signal.Signals) -> None:
    run = world.start("synchronous", f"waits-{number.name}")
    entry = wait_until_it_waits(run)
    process_of(run).send_signal(number)
    billed = run.require_one_landed()
    assert billed.request_id == entry.request_id
    assert CANCEL not in billed.calls
    assert "Re-attached to request" in run.log()


@pytest.mark.parametrize("state", ["failed", "success"])
def test_marked_while_it_waits_in_a_worker_is_cancelled(world: World, state: str) -> None:
    run = start_for_ever(world, "synchronous", f"marked-{state}-waiting")
    entry = wait_until_it_waits(run)
    world.cluster.api.mark(run.dag_id, run.name, "generate", state)
    require_cancelled(run, entry.request_id)


def test_cleared_while_it_waits_in_a_worker(world: World) -> None:
    run = world.start("synchronous", "cleared-waiting", duration=LONG)
    entry = wait_until_it_waits(run)
    world.cluster.api.clear(run.dag_id, run.name, "generate")
    billed = run.require_one_landed()
    assert billed.request_id == entry.request_id
    assert CANCEL not in billed.calls
    assert "Re-attached to request" in run.log()


def wait_until_it_waits(run: Run) -> LedgerEntry:
    """Wait until a worker has submitted and waits, as its log says."""
    entry = run.wait_until_ordered()
    run.world.wait_for(lambda: f"Request {entry.request_id} is" in run.log(), f"{run.name} waits")
    return entry


@pytest.mark.parametrize("state", ["failed", "success"])
def test_marked_while_it_is_deferred_is_cancelled(world: World, state: str) -> None:
    run = start_for_ever(world, "deferred", f"marked-{state}")
    entry = wait_in_a_triggerer(run)
    world.cluster.api.mark(run.dag_id, run.name, "generate", state)
    require_cancelled(run, entry.request_id)


def test_a_task_marked_failed_with_its_whole_run_is_cancelled(world: World) -> None:
    run = start_for_ever(world, "deferred", "run-given-up")
    entry = wait_in_a_triggerer(run)
    world.cluster.api.mark_run(run.dag_id, run.name, "failed")
    require_cancelled(run, entry.request_id)


def test_a_ledger_in_a_folder_outlives_the_run_that_was_deleted(world: World) -> None:
    """Airflow deletes no run that is running: it was marked failed, and its request was to go on."""
    api = world.cluster.api
    run = world.start("remembered", "deleted", duration=LONG)
    entry = wait_in_a_triggerer(run)
    api.mark_run(run.dag_id, run.name, "failed")
    api.delete_run(run.dag_id, run.name)
    world.wait_for(
        lambda: run.orders()[0].outcome == "success", "its request has ended, with nobody to wait for it"
    )
    again = world.start("remembered", "deleted", duration=LONG)
    billed = again.require_one_landed()
    assert billed.request_id == entry.request_id
    assert CANCEL not in billed.calls
    assert "Re-attached to request" in again.log()


def test_only_the_mapped_instance_that_is_marked_failed_is_cancelled(world: World) -> None:
    api = world.cluster.api
    run = world.start("twins", "one-twin", duration=LONG)
    instances = lambda: api.instances(run.dag_id, run.name, "generate")  # noqa: E731
    world.wait_for(
        lambda: len(instances()) == 2 and all(row["triggerer_job"] for row in instances()),
        "both wait in a triggerer",
    )
    given_up = api.mapped_xcom(run.dag_id, run.name, "generate", 0, key="request_id")
    api.mark(run.dag_id, run.name, "generate", "failed", map_index=0)
    run.wait_until_over()  # in success, if the other instance's clip has landed: the last task decides
    assert {row["map_index"]: row["state"] for row in instances()} == {0: "failed", 1: "success"}
    outcomes = {entry.request_id == given_up: (entry.outcome, entry.billed) for entry in run.orders()}
    assert outcomes == {True: ("cancelled", False), False: ("success", True)}


def start_for_ever(world: World, dag_id: str, name: str) -> Run:
    """Start a run whose request never ends by itself, so that no slow machine lets it end too early."""
    world.simulator.faults.add("stuck-queued", contains=prompt_of(name))
    return world.start(dag_id, name)


def require_cancelled(run: Run, request_id: str) -> None:
    """Wait until the queue has cancelled the run's only request, which then costs nothing."""

    def cancelled() -> bool:
        (entry,) = run.orders()
        return entry.outcome == "cancelled"

    run.world.wait_for(cancelled, f"{run.name} is cancelled")
    (entry,) = run.orders()
    assert (entry.request_id, entry.billed) == (request_id, False)
    assert run.wait_until_over() == "failed"


def test_cleared_while_deferred_and_the_next_try_starts_slowly(world: World) -> None:
    api = world.cluster.api
    api.set_slots("held", 1)
    run = world.start("held_back", "cleared", duration=LONG)
    entry = wait_in_a_triggerer(run)
    api.set_slots("held", 0)
    api.clear(run.dag_id, run.name, "generate")
    world.wait_for(lambda: STAYS_ALIVE in run.log(), "the trigger was ended, and asked")
    run.wait_for_state("scheduled")
    api.set_slots("held", 1)
    billed = run.require_one_landed()
    assert billed.request_id == entry.request_id
    assert CANCEL not in billed.calls


def test_a_triggerer_dies_with_its_triggers(world: World) -> None:
    run = world.start("deferred", "triggerer-dies", duration=LONG)
    wait_in_a_triggerer(run)
    name = triggerer_of(run)
    part = world.cluster.triggerers[name]
    part.kill()
    billed = run.require_one_landed()
    assert CANCEL not in billed.calls
    part.start()
    world.wait_for(lambda: world.cluster.triggerer_alive(name), f"{name} is back")


def test_a_triggerer_stalls_and_comes_back(world: World) -> None:
    run = world.start("deferred", "triggerer-stalls", duration=LONG)
    wait_in_a_triggerer(run)
    name = triggerer_of(run)
    part = world.cluster.triggerers[name]
    part.signal(signal.SIGSTOP)
    world.wait_for(lambda: triggerer_of(run) not in {"", name}, "the other triggerer took it over")
    part.signal(signal.SIGCONT)
    # It finds its trigger gone and takes that for a user's wish: only the task's state says otherwise.
    world.wait_for(lambda: STAYS_ALIVE in run.log(), f"{name} ended its trigger")
    billed = run.require_one_landed()
    assert CANCEL not in billed.calls


def wait_in_a_triggerer(run: Run) -> LedgerEntry:
    """Wait until a triggerer has the run's generation, and return its request."""
    run.world.wait_for(lambda: triggerer_of(run), f"a triggerer has {run.name}")
    (entry,) = run.orders()
    return entry


def triggerer_of(run: Run) -> str:
    """Return the name of the triggerer that has the run's generation, or nothing."""
    job = run.instance()["triggerer_job"]
    return str(job["unixname"]) if job else ""


def test_two_instances_of_one_mapped_task_lose_both_responses(world: World) -> None:
    world.simulator.faults.add("reset-after", contains="twins", times=2)
    run = world.start("twins", "twins")
    assert run.wait_until_over() == "success", run.log()
    orders = run.orders()
    assert [entry.billed for entry in orders] == [True, True]
    api = world.cluster.api
    landed = {api.mapped_xcom(run.dag_id, run.name, "land", index)["request_id"] for index in (0, 1)}
    assert landed == {entry.request_id for entry in orders}


def test_a_submission_that_died_before_its_post_is_sent_when_its_absence_is_proven(
    world: World, paused: dict[str, Run]
) -> None:
    run = paused["after-intent"]
    reached = run.world.folder / f"{run.name}.reached"
    arrives_by = reached.stat().st_mtime + SENDING_SECONDS
    world.wait_for(lambda: time.time() > arrives_by, "a POST could not arrive any more", SENDING_SECONDS + 10)
    # Only a younger request in the list proves that ours would be there, too.
    world.order_for_somebody_else()
    billed = run.require_one_landed(timeout=240)
    assert billed.created_at > arrives_by - MARGIN
    assert "Sending again is safe" in run.log()


def test_the_request_of_a_replaced_worker_is_found_and_not_sent_again(world: World, stalled: Run) -> None:
    """Both tries speak of one marker, and so of one request."""
    stalled.require_one_landed(timeout=240)
    assert len(stalled.orders()) == 1
    assert "Adopted request" in stalled.log()


def test_the_scheduler_is_lost_with_its_workers_during_a_post(world: World) -> None:
    """The last of all: it takes every other run's worker along."""
    world.simulator.faults.add("late-answer", contains="scheduler-lost", seconds=20)
    run = world.start("deferred", "scheduler-lost")
    entry = run.wait_until_ordered()
    world.cluster.scheduler.kill()
    world.cluster.scheduler.start()
    assert run.require_one_landed().request_id == entry.request_id
