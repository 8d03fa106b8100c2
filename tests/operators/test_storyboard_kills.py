"""A storyboard's task is killed at random moments: whatever was billed has landed, and nothing twice."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path

import pytest

from kling_airflow.gmi.client import GMIClient
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.simulator import Simulator
from tests.airflow_context import context
from tests.kills import begin_try, ended, quick_queue, strangers

__all__ = ["quick_queue"]

SHOTS = 12
KILLS = 10


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("fault", [None, "reset-after"])
def test_what_is_billed_has_landed(
    quick_queue: Simulator,
    rocket: str,
    tmp_path: Path,
    deployment: None,
    seed: int,
    fault: str | None,
) -> None:
    simulator, chance = quick_queue, random.Random(seed)
    (tmp_path / "ledger").mkdir()
    client = GMIClient(simulator.api_key, simulator.base_url)
    image = client.upload(Path(rocket.removeprefix("file://")).read_bytes(), "jpeg")
    if fault is not None:
        simulator.faults.add(fault, call="POST /requests", contains="Rise", times=3)
    fields = {
        "task_id": "film",
        "storyboard": [
            {"name": f"s{n}", "frame": rocket, "prompt": f"Rise {n}.", "duration": 3} for n in range(SHOTS)
        ],
        "destination": (tmp_path / "clips").as_uri(),
        "ledger": (tmp_path / "ledger").as_uri(),
        "deferrable": False,
        "poll_interval": 0.05,
        "resubmit_delay": 0,
        "max_in_flight": 4,
        "retries": 99,
    }
    kills, code, number, pause = 0, None, 0, threading.Event()
    with strangers(simulator, image) as others:
        while code != 0:
            number += 1
            child = begin_try(KlingStoryboardOperator, fields, context(try_number=number, max_tries=99))
            moment = sum(simulator.calls().values()) + chance.randint(0, 15)
            code = None
            while code is None:
                if kills < KILLS and sum(simulator.calls().values()) >= moment:
                    os.kill(child, signal.SIGKILL)
                    kills += 1
                    moment = 1 << 60
                code = ended(child)
                pause.wait(0.005)
            assert number < 40, "a try that no one kills must end well"
    ours = [entry for entry in simulator.ledger() if entry.request_id not in others]
    landed = sorted(path.stem for path in (tmp_path / "clips").glob("*.mp4"))
    assert kills == KILLS
    assert landed == sorted(f"s{n}" for n in range(SHOTS))
    assert len(ours) == sum(entry.billed for entry in ours) == SHOTS
