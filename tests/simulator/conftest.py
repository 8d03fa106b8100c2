"""Fixtures: one simulator for all tests, reset before each; others with settings of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from kling_airflow.simulator import Clock, ManualClock, Simulator
from tests.simulator.client import Queue
from tests.simulator.fixture_types import Slow, Started
from tests.simulator.frame_server import serving

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
    """A fast simulator without requests and faults."""
    shared_simulator.reset()
    return shared_simulator


@pytest.fixture
def queue(sim: Simulator) -> Queue:
    return Queue(sim.base_url, sim.api_key)


@pytest.fixture
def started() -> Iterator[Started]:
    """Starts a simulator with settings of its own."""
    running: list[Simulator] = []

    def start(clock: Clock | None = None, **settings: Any) -> tuple[Simulator, Queue]:
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
def slow(_slow_simulator: tuple[Simulator, ManualClock]) -> Slow:
    """A simulator at the service's own speed, its client, and the clock that moves it."""
    simulator, clock = _slow_simulator
    simulator.reset()
    return simulator, Queue(simulator.base_url, simulator.api_key), clock


@pytest.fixture(scope="session")
def frame_server() -> Iterator[str]:
    """The address of a web server with `/frame.png` and with files that are no frames."""
    with serving() as address:
        yield address
