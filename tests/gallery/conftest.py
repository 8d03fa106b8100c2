"""Folders of each kind of store for the gallery's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from packaging.version import Version

from kling_airflow.gallery.folder import Folder
from kling_airflow.gallery.settings import open_gallery
from tests.airflow_versions import AIRFLOW
from tests.s3 import S3
from tests.s3 import s3 as s3


class _NeedsApps(pytest.Module):
    """A module that is skipped before its imports, which this Airflow lacks."""

    def collect(self) -> NoReturn:
        # Named, because xdist reports only one of several skips that are alike.
        pytest.skip(f"needs Airflow 3.1: apps of plugins behind a login, {self.path.name}")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Skip what asks Airflow's own app, where that has no apps of plugins."""
    if Version("3.1") <= AIRFLOW or "airflow_app" not in module_path.read_text():
        return None
    return _NeedsApps.from_parent(parent, path=module_path)


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
