"""The plugin by which Airflow finds the gallery; its entry point is in ``pyproject.toml``.

Every process of Airflow loads plugins, DAG parsing among them. So this module imports nothing but Airflow's
base class, and the app is made when the API server asks for it. Before Airflow 3.1 the plugin does nothing.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from airflow.plugins_manager import AirflowPlugin

ROUTE: Final = "kling-gallery"
"""The gallery's name in the addresses of Airflow's UI: ``/plugin/kling-gallery``."""
TASK_ROUTE: Final = "kling-requests"
"""The name of the tab in the addresses of a task instance's page."""
TASKS: Final = (
    "ClipToObjectStorageOperator",
    "GMICloudRequestOperator",
    "GMICloudRequestSensor",
    "JoinClipsOperator",
    "KlingCreateElementOperator",
    "KlingImageToVideoFunction",
    "KlingImageToVideoOperator",
    "KlingOmniOperator",
    "KlingStoryboardFunction",
    "KlingStoryboardOperator",
    "KlingTextToVideoOperator",
)
"""The classes of tasks whose page has the tab: those with the link `Request`."""


class KlingGalleryPlugin(AirflowPlugin):
    """The gallery's app, its entry in the navigation, and a tab of tasks that have requests."""

    name = "kling_gallery"

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The app, made when the API server mounts it; none before Airflow 3.1."""
        if not _has_views():
            return []
        from kling_airflow.gallery.app import create_app
        from kling_airflow.gallery.pages import PREFIX

        return [{"name": "Kling gallery", "app": create_app(), "url_prefix": PREFIX}]

    @cached_property
    def external_views(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The entry in the navigation, which shows the app in a frame; from 3.4 on the tab as well."""
        if not _has_views():
            return []
        root = _root()
        icons = {
            "icon": f"{root}/kling/static/icon.svg",
            "icon_dark_mode": f"{root}/kling/static/icon-dark.svg",
        }
        gallery = [
            {
                "name": "Kling gallery",
                "href": f"{root}/kling/",
                "destination": "nav",
                "url_route": ROUTE,
                "nav_top_level": True,
                **icons,
            }
        ]
        if not _scopes_views():
            return gallery
        asked = "dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}"
        requests = {
            "name": "Kling requests",
            "href": f"{root}/kling/task?{asked}",
            "destination": "task_instance",
            "url_route": TASK_ROUTE,
            "applies_to": {"task_instance.operator": list(TASKS)},
            **icons,
        }
        return [*gallery, requests]


def _has_views() -> bool:
    """Return whether this Airflow shows views of plugins: 3.1 and later."""
    return hasattr(AirflowPlugin, "external_views")


def _scopes_views() -> bool:
    """Return whether this Airflow can show a view on the pages of some tasks only: 3.4 and later."""
    from airflow import plugins_manager

    return hasattr(plugins_manager, "AppliesToDict")


def _root() -> str:
    """Return the path that Airflow's UI is served under, "" for none: ``[api] base_url``."""
    from urllib.parse import urlsplit

    from airflow.configuration import conf

    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
