"""The plugin as Airflow loads it: found by its entry point, free where it isn't used."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery.plugin import TASK_ROUTE, TASKS, KlingGalleryPlugin
from tests.airflow_versions import AIRFLOW
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
    view = plugin["external_views"][0]
    assert (view["href"], view["destination"], view["url_route"]) == ("/kling/", "nav", "kling-gallery")
    (app,) = plugin["fastapi_apps"]
    assert app["url_prefix"] == "/kling"


def test_behind_a_path_the_entry_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://company.example/airflow/")
    view = KlingGalleryPlugin().external_views[0]
    assert view["href"] == "/airflow/kling/"
    assert view["icon"] == "/airflow/kling/static/icon.svg"


def test_where_airflow_shows_no_views_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_airflow.gallery.plugin._has_views", lambda: False)
    plugin = KlingGalleryPlugin()
    assert (plugin.fastapi_apps, plugin.external_views) == ([], [])


def test_the_tab_is_for_each_task_with_a_link_to_its_request() -> None:
    names = {"operators", "sensors", "transfers", "decorators"}
    classes = {
        value
        for place in names
        for module in iter_modules(import_module(f"kling_airflow.{place}").__path__)
        for value in vars(import_module(f"kling_airflow.{place}.{module.name}")).values()
        if isinstance(value, type) and value.__module__.startswith("kling_airflow.")
    }
    wanted = {
        each.__name__
        for each in classes
        if any(link.name == "Request" for link in getattr(each, "operator_extra_links", ()))
    }
    assert wanted - {"GenerationOperator", "StoryboardArguments"} == set(TASKS)


def test_before_airflow_3_4_no_task_has_the_tab(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be on the page of every task: only 3.4 can tell which tasks a view is for."""
    monkeypatch.delattr("airflow.plugins_manager.AppliesToDict", raising=False)
    (view,) = KlingGalleryPlugin().external_views
    assert view["destination"] == "nav"


@pytest.mark.skipif(AIRFLOW.release[:2] < (3, 4), reason="views for some tasks came with Airflow 3.4")
def test_from_airflow_3_4_on_the_tab_is_accepted_as_it_is(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.plugins_manager import _get_ui_plugins

    _get_ui_plugins.cache_clear()
    views, _ = _get_ui_plugins()
    (view,) = [view for view in views if view.get("url_route") == TASK_ROUTE]
    assert view["destination"] == "task_instance"
    assert view["applies_to"] == {"task_instance.operator": list(TASKS)}
    assert "applies_to" not in caplog.text
    rows = client.get("/api/v2/plugins", headers=as_user("carol")).json()["plugins"]
    (plugin,) = [row for row in rows if row["name"] == "kling_gallery"]
    assert [row["destination"] for row in plugin["external_views"]] == ["nav", "task_instance"]
    (page,) = [row["href"] for row in plugin["external_views"] if row["destination"] == "task_instance"]
    for name in ("{DAG_ID}", "{RUN_ID}", "{TASK_ID}", "{MAP_INDEX}"):
        assert name in page
