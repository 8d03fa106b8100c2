"""A storyboard's task signs the clips that it lands with the key of a connection."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.exceptions import InvalidArgument
from kling_airflow.media.credentials import find_credentials
from kling_airflow.media.signing import SigningKey
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.simulator import Simulator
from tests.airflow_context import TaskStateStore, connect, context
from tests.media.test_signing import make_key
from tests.tasks import posts

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator(speed=600, submit_seconds=0) as simulator:
        connect(monkeypatch, simulator.base_url, simulator.api_key)
        yield simulator


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> SigningKey:
    """A key that the connection `studio` holds."""
    key = make_key()
    connection = {
        "conn_type": "generic",
        "password": key.private_key,
        "extra": {"certificates": key.certificates},
    }
    monkeypatch.setenv("AIRFLOW_CONN_STUDIO", json.dumps(connection))
    return key


def operator(rocket: str, folder: Path, signing_conn_id: str) -> KlingStoryboardOperator:
    """Two shots, the second on the last frame of the first, whose file is signed by then."""
    shots: list[dict[str, Any]] = [
        {"name": "launch", "frame": rocket, "prompt": "Rise.", "duration": 3},
        {"name": "orbit", "continues": True, "prompt": "Turn.", "duration": 3},
    ]
    return KlingStoryboardOperator(
        task_id="film",
        storyboard=shots,
        destination=folder.as_uri(),
        signing_conn_id=signing_conn_id,
        deferrable=False,
        poll_interval=0.01,
        land_every=0,
    )


def test_each_clip_is_signed_and_a_second_run_finds_it(
    simulator: Simulator, key: SigningKey, rocket: str, tmp_path: Path
) -> None:
    store = TaskStateStore()
    report = operator(rocket, tmp_path, "studio").execute(context(store))
    assert report["landed"] == 2
    for row in report["shots"]:
        data = (tmp_path / f"{row['name']}.mp4").read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert find_credentials(tmp_path / f"{row['name']}.mp4") is not None
        sidecar = json.loads((tmp_path / f"{row['name']}.json").read_text())
        assert sidecar["signed"]["by"] == key.name
        assert sidecar["signed"]["from_sha256"] != row["sha256"]
    written = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.mp4")}
    assert operator(rocket, tmp_path, "studio").execute(context(store))["landed"] == 2
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.mp4")} == written
    assert posts(simulator) == 2


def test_without_the_key_nothing_is_bought(simulator: Simulator, rocket: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="the connection `nowhere` is not defined"):
        operator(rocket, tmp_path, "nowhere").execute(context(TaskStateStore()))
    assert posts(simulator) == 0
    with pytest.raises(InvalidArgument, match="`signing_conn_id` is True"):
        operator(rocket, tmp_path, True)  # type: ignore[arg-type]
