"""Folders of each kind of store for the gallery's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.gallery.folder import Folder
from kling_airflow.gallery.settings import open_gallery
from tests.s3 import S3
from tests.s3 import s3 as s3


@pytest.fixture(params=["file", "s3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Folder]:
    """An empty gallery: a local folder, and a bucket over real HTTP."""
    if request.param == "file":
        (tmp_path / "gallery").mkdir()
        yield open_gallery((tmp_path / "gallery").as_uri())
        return
    server: S3 = request.getfixturevalue("s3")
    yield open_gallery(f"s3://{S3.conn_id}@{server.bucket()}/all clips")


@pytest.fixture(scope="module")
def client(airflow_db: Path) -> Iterator[Any]:
    """Airflow's API server, with the gallery mounted by its entry point."""
    from tests.gallery.airflow_app import api_server, make_dags

    make_dags()
    with api_server() as running:
        yield running


@pytest.fixture
def gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that ``[kling] gallery`` names."""
    path = tmp_path / "gallery"
    path.mkdir()
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY", path.as_uri())
    return path
