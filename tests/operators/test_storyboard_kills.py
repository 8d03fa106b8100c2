"""A storyboard's task is killed at random moments: whatever was billed has landed, and nothing twice."""

from __future__ import annotations

import os
import random
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.gmi.call import Timeouts
from kling_airflow.gmi.client import GMIClient
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.simulator import Simulator
from tests.airflow_context import connect, context

SHOTS = 12
KILLS = 10


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """A queue on which a lost POST is proven absent in seconds, not minutes: a POST may take 1 s here."""
    short = Timeouts(connect=1.0, read=1.0, total=1.0)
    monkeypatch.setattr("kling_airflow.submission.submit.SUBMIT_TIMEOUTS", short)
    monkeypatch.setattr("kling_airflow.submission.reconcile.MARGIN", 1.0)
    monkeypatch.setattr("kling_airflow.submission.recover.LOOKS", (0.0, 0.3))
    monkeypatch.setattr("kling_airflow.submission.recover.LOOK_LATER", 1.0)
    monkeypatch.setattr("kling_airflow.submission.submit.FIRST_BACKOFF", 0.01)
    monkeypatch.setenv("AIRFLOW__KLING__LATE_ARRIVAL_MARGIN", "0")
    with Simulator(speed=600, render="fast", submit_seconds=0) as running:
        connect(monkeypatch, running.base_url, running.api_key)
        yield running


@contextmanager
def strangers(simulator: Simulator, image: str) -> Iterator[set[str]]:
    """Let requests of another team arrive, as they do in a real queue; yield their ids."""
    ids: set[str] = set()
    over = threading.Event()

    def arrive() -> None:
        payload = {"prompt": "another team's", "image": image, "duration": "3", "sound": "off"}
        with GMIClient(simulator.api_key, simulator.base_url) as client:
            while not over.wait(0.5):
                ids.add(client.submit("kling-v3-image-to-video", payload).request_id)

    thread = threading.Thread(target=arrive)
    thread.start()
    try:
        yield ids
    finally:
        over.set()
        thread.join()


def begin_try(number: int, fields: dict[str, Any]) -> int:
    """Run a try in a process of its own; return the process's id."""
    child = os.fork()
    if child:
        return child
    try:
        made = KlingStoryboardOperator(**fields)
        made.execute(context(try_number=number, max_tries=99))
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def ended(child: int) -> int | None:
    """Return the exit code of a process that has ended; None if it runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("fault", [None, "reset-after"])
def test_what_is_billed_has_landed(
    simulator: Simulator, rocket: str, tmp_path: Path, deployment: None, seed: int, fault: str | None
) -> None:
    chance = random.Random(seed)
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
            child = begin_try(number, fields)
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
