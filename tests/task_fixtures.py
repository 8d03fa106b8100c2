"""Fixtures of tests that run an operator against a simulator."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import pytest

from kling_airflow.simulator import Simulator
from tests.airflow_context import connect
from tests.s3 import s3 as s3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def stepping() -> Iterator[Simulator]:
    with Simulator(transitions="reads", reads_per_step=1, render="fast", submit_seconds=0) as simulator:
        yield simulator


@pytest.fixture
def queue(stepping: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """A queue whose requests move on each time they are read, and the connection to it."""
    stepping.reset()
    connect(monkeypatch, stepping.base_url, stepping.api_key)
    monkeypatch.setattr("kling_airflow.submission.submit.FIRST_BACKOFF", 0.01)
    return stepping


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for name in ("rocket.jpg", "hubble_deep_field.jpg"):
        with as_file(files("kling_airflow.demo") / "frames" / name) as path:
            shutil.copy(path, folder)
    return folder


@pytest.fixture
def rocket(frames: Path) -> str:
    return (frames / "rocket.jpg").as_uri()


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a ledger in a folder needs of Airflow's configuration."""
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "test")
