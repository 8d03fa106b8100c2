"""The transfer signs what it lands with the key of a connection."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kling_airflow.exceptions import InvalidArgument
from kling_airflow.media.credentials import find_credentials
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.media.file_server import FileServer
from tests.media.film.clips import clap
from tests.media.test_signing import make_key

pytest.importorskip("c2pa", reason="install kling_airflow[c2pa]")


def test_the_operator_takes_the_key_from_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    movie, key = clap(tmp_path / "movie.mp4"), make_key()
    connection = {
        "conn_type": "generic",
        "password": key.private_key,
        "extra": {"certificates": key.certificates},
    }
    monkeypatch.setenv("AIRFLOW_CONN_STUDIO", json.dumps(connection))
    with FileServer(movie.read_bytes()).running() as server:
        given = {
            "clip": {"request_id": "r", "video_url": server.url},
            "destination": (tmp_path / "out" / "x.mp4").as_uri(),
        }
        made = ClipToObjectStorageOperator(task_id="land", signing_conn_id="studio", **given).execute({})
        assert made["sha256"] == hashlib.sha256((tmp_path / "out" / "x.mp4").read_bytes()).hexdigest()
        assert find_credentials(tmp_path / "out" / "x.mp4") is not None
        with pytest.raises(InvalidArgument, match="the connection `nowhere` is not defined") as caught:
            ClipToObjectStorageOperator(task_id="land", signing_conn_id="nowhere", **given).execute({})
        assert "Running the landing again buys nothing" in str(caught.value)
