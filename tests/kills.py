"""Tries of a task in processes that a test kills, against a queue that tells soon what was lost."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from kling_airflow.gmi.call import Timeouts
from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from tests.airflow_context import connect


@pytest.fixture
def quick_queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
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


def begin_try(kind: type[Any], fields: dict[str, Any], given: dict[str, Any]) -> int:
    """Run a try of an operator in a process of its own; return the process's id."""
    child = os.fork()
    if child:
        return child
    try:
        kind(**fields).execute(given)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def import_before_forks(kind: type[Any], fields: dict[str, Any], given: dict[str, Any]) -> None:
    """Run a try in this process, so that its imports are there in each process that is made of this one."""
    kind(**fields).execute(given)


def ended(child: int) -> int | None:
    """Return the exit code of a process that has ended; None if it runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None
