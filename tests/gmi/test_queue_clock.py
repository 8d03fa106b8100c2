"""The queue's time, as its responses tell it."""

from __future__ import annotations

from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.queue_clock import QueueClock
from kling_airflow.simulator import ManualClock, Simulator


def test_it_runs_on_from_the_last_response() -> None:
    elapsed = [100.0]
    clock = QueueClock(lambda: elapsed[0])
    assert clock.now() is None
    clock.note(None)
    assert clock.now() is None
    clock.note(5000.0)
    elapsed[0] += 7
    assert clock.now() == 5007


def test_a_response_from_a_cache_does_not_set_it_back() -> None:
    elapsed = [100.0]
    clock = QueueClock(lambda: elapsed[0])
    clock.note(5000.0)
    elapsed[0] += 60
    clock.note(5000.0)
    assert clock.now() == 5060


def test_a_client_knows_it_from_any_call() -> None:
    clock = ManualClock(2_000_000_000)
    with (
        Simulator(clock=clock, render="fast", clock_skew_seconds=500) as simulator,
        GMIClient(simulator.api_key, simulator.base_url) as client,
    ):
        assert client.queue_time() is None
        client.check()
        assert client.queue_time() is not None
        assert abs((client.queue_time() or 0) - clock.now() - 500) < 2
