"""Nothing assumes that two tasks have a disk, a clock, a host or a process in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cluster.celery_cluster import TRIGGERERS, WORKERS
from tests.e2e.world import CANCEL

if TYPE_CHECKING:
    from tests.cluster.machine import Machine
    from tests.cluster.world import ClusterWorld
    from tests.e2e.cluster_api import Row

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1200)]
FIRST, SECOND = WORKERS


def instance(world: ClusterWorld, dag_id: str, name: str, task_id: str) -> Row:
    """Return a task's instance as it is now."""
    return world.cluster.api.instance(dag_id, name, task_id)


def require_one_landed(world: ClusterWorld, name: str) -> None:
    """Wait for a run of ``relay``, and require one billed request and its clip with its sidecar."""
    assert world.wait_until_over("relay", name) == "success", world.log("relay", name, "generate")[-4000:]
    (entry,) = world.orders()[name]
    assert entry.billed
    assert {f"clips/{name}.mp4", f"clips/{name}.json"} <= world.keys("clips/")
    assert json.loads(world.read(f"clips/{name}.json"))["request_id"] == entry.request_id


def wait_for_state(world: ClusterWorld, name: str, task_id: str, *states: str) -> None:
    """Wait until a task of ``relay`` is in one of the states."""
    world.wait_for(
        lambda: instance(world, "relay", name, task_id)["state"] in states,
        f"{task_id} is {' or '.join(states)}",
    )


def test_each_task_runs_on_another_machine_with_another_clock(world: ClusterWorld) -> None:
    world.start("relay", "relayed", prompt="relayed")
    require_one_landed(world, "relayed")
    hosts = {row["task_id"]: row["hostname"] for row in world.cluster.api.all_instances("relay", "relayed")}
    assert hosts == {"frame": FIRST, "generate": SECOND, "wait": FIRST, "land": SECOND}
    disks = [machine.disk for machine in world.cluster.workers]
    assert not [path for disk in disks for path in disk.rglob("*") if path.suffix in {".mp4", ".png"}]


def test_a_worker_without_the_queue_and_without_a_disk_buys_once(world: ClusterWorld) -> None:
    """The network to the queue is gone when the task calls it; then there is no room in ``TMPDIR``."""
    worker = world.cluster.machines[SECOND]
    worker.cut_off()
    try:
        world.start("relay", "cut-off", prompt="cut-off")
        world.wait_for(lambda: worker.calls(world.network.queue), "the task calls the queue")
        assert "cut-off" not in world.orders()
    finally:
        worker.reconnect()
    wait_for_state(world, "cut-off", "wait", "deferred")
    worker.fill_disk()
    try:
        wait_for_state(world, "cut-off", "land", "up_for_retry")
    finally:
        worker.empty_disk()
    require_one_landed(world, "cut-off")
    assert "No space left on device" in world.log("relay", "cut-off", "land")


def test_a_worker_that_loses_power_buys_once(world: ClusterWorld) -> None:
    """The answer to the POST is on its way when the machine is gone; another boot of it goes on."""
    world.simulator.faults.add("late-answer", seconds=30, times=1)
    worker = world.cluster.machines[SECOND]
    world.start("relay", "power", prompt="power")
    world.wait_for(lambda: world.orders().get("power"), "the queue has the request")
    worker.kill()
    worker.start()
    world.order_for_somebody_else()
    require_one_landed(world, "power")


@pytest.mark.parametrize(
    ("way", "grace", "whole"),
    [("grace too short", 5, False), ("grace long enough", 300, False), ("SIGTERM to all", 300, True)],
)
def test_a_pod_that_ends_cancels_nothing_and_buys_once(
    world: ClusterWorld, way: str, grace: float, whole: bool
) -> None:
    """Kubernetes sends SIGTERM to process 1, and ends the pod after the grace period."""
    name = way.replace(" ", "-")
    cancelled = world.simulator.calls().get(CANCEL, 0)
    world.simulator.faults.add("late-answer", seconds=30, times=1)
    worker = world.cluster.machines[SECOND]
    world.start("relay", name, prompt=name)
    world.wait_for(lambda: world.orders().get(name), "the queue has the request")
    enough = grace > 30
    assert worker.end(grace=grace, whole=whole) == enough, "the worker waits for the answer to the POST"
    worker.start()
    world.order_for_somebody_else()
    require_one_landed(world, name)
    assert world.simulator.calls().get(CANCEL, 0) == cancelled
    tries = instance(world, "relay", name, "generate")["try_number"]
    assert (tries == 1) == enough, world.log("relay", name, "generate")[-4000:]


@pytest.mark.parametrize("way", ["lost", "ended"])
def test_the_waits_of_a_triggerer_move(world: ClusterWorld, way: str) -> None:
    """Whichever has the wait: both go, one after the other, and one is back before the other goes."""
    name = f"waits-{way}"
    world.start("relay", name, prompt=name)
    wait_for_state(world, name, "wait", "deferred")
    for triggerer in TRIGGERERS:
        machine = world.cluster.machines[triggerer]
        _end(machine, way)
        machine.start()
        world.wait_for(lambda triggerer=triggerer: world.cluster.alive(triggerer), f"{triggerer} is back")
    require_one_landed(world, name)


def _end(machine: Machine, way: str) -> None:
    if way == "lost":
        machine.kill()
    else:
        machine.end(grace=60)
