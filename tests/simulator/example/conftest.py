"""Puts the example's DAG into the DAGs folder, and a frame beside it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.client import picture


@pytest.fixture(autouse=True)
def _dags(dags_folder: Path) -> Iterator[None]:
    path = Path(shutil.copy(Path(__file__).with_name("rocket.py"), dags_folder))
    yield
    path.unlink()


@pytest.fixture
def frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "rocket.jpg"
    path.write_bytes(picture(640, 360))
    monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", tmp_path.as_uri())
    return path.as_uri()
