"""The plugin as Airflow loads it: found by its entry point, free where it isn't used."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery.plugin import KlingGalleryPlugin
from tests.gallery.airflow_app import as_user


def test_airflow_finds_it_by_its_entry_point() -> None:
    (found,) = [point for point in entry_points(group="airflow.plugins") if point.name == "kling_gallery"]
    assert found.load() is KlingGalleryPlugin


def test_it_loads_nothing_where_it_is_not_used() -> None:
    """Plugins are loaded in every process, that of DAG parsing among them."""
    code = (
        "import json, sys; import airflow.plugins_manager; before = set(sys.modules);"
        "from kling_airflow.gallery.plugin import KlingGalleryPlugin; KlingGalleryPlugin();"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert loaded - {"kling_airflow"} == {"kling_airflow.gallery", "kling_airflow.gallery.plugin"}


def test_the_navigation_has_an_entry(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = client.get("/api/v2/plugins", headers=as_user("carol")).json()["plugins"]
    (plugin,) = [row for row in rows if row["name"] == "kling_gallery"]
    (view,) = plugin["external_views"]
    assert (view["href"], view["destination"], view["url_route"]) == ("/kling/", "nav", "kling-gallery")
    (app,) = plugin["fastapi_apps"]
    assert app["url_prefix"] == "/kling"


def test_behind_a_path_the_entry_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://company.example/airflow/")
    (view,) = KlingGalleryPlugin().external_views
    assert view["href"] == "/airflow/kling/"
    assert view["icon"] == "/airflow/kling/static/icon.svg"


def test_where_airflow_shows_no_views_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_airflow.gallery.plugin._has_views", lambda: False)
    plugin = KlingGalleryPlugin()
    assert (plugin.fastapi_apps, plugin.external_views) == ([], [])
