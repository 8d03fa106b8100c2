"""One simulator for all tests that need nothing special, cleared before each; others start their own."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.simulator import ManualClock, Simulator
from tests.simulator.client import Queue
from tests.simulator.frame_server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIPS = tempfile.TemporaryDirectory(prefix="kling-airflow-test-clips-")
"""One folder for the tiny clips of every simulator, so that each is rendered once."""
QUICK: dict[str, Any] = {
    "speed": 10_000.0,
    "render": "fast",
    "error_shape": "string",
    "media_dir": CLIPS.name,
}


@pytest.fixture(scope="session")
def shared_simulator() -> Iterator[Simulator]:
    with Simulator(**QUICK) as simulator:
        yield simulator


@pytest.fixture
def sim(shared_simulator: Simulator) -> Simulator:
    """A quick simulator without faults or memories."""
    shared_simulator.reset()
    return shared_simulator


@pytest.fixture
def queue(sim: Simulator) -> Queue:
    return Queue(sim.base_url, sim.api_key)


@pytest.fixture
def started() -> Iterator[Callable[..., tuple[Simulator, Queue]]]:
    """Starts a simulator with settings of its own."""
    running: list[Simulator] = []

    def start(clock: Any = None, **settings: Any) -> tuple[Simulator, Queue]:
        simulator = Simulator(clock=clock, **(QUICK | settings)).start()
        running.append(simulator)
        return simulator, Queue(simulator.base_url, simulator.api_key)

    yield start
    for simulator in running:
        simulator.stop()


@pytest.fixture(scope="session")
def _slow_simulator() -> Iterator[tuple[Simulator, ManualClock]]:
    clock = ManualClock()
    settings = QUICK | {"speed": 1.0, "submit_seconds": 0.0, "generation_seconds": 165.0}
    with Simulator(clock=clock, **settings) as simulator:
        yield simulator, clock


@pytest.fixture
def slow(_slow_simulator: tuple[Simulator, ManualClock]) -> tuple[Simulator, Queue, ManualClock]:
    """A simulator at the service's own pace, and the clock to move it with."""
    simulator, clock = _slow_simulator
    simulator.reset()
    return simulator, Queue(simulator.base_url, simulator.api_key), clock


@pytest.fixture(scope="session")
def frame_server() -> Iterator[str]:
    """The address of a web server with `/frame.png`, and what isn't one."""
    with serving() as address:
        yield address
