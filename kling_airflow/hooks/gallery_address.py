"""Where a browser finds the gallery, and a request's page in it."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote, urlencode

PREFIX: Final = "/kling"
"""The path, below Airflow's own address, under which the gallery is served."""


def gallery_address() -> str | None:
    """Return the gallery's address; None if ``[kling] gallery`` isn't set, or Airflow is older than 3.1.

    It begins with ``[api] base_url``; without that, it is a path, which a browser that shows Airflow's page
    completes.
    """
    from kling_airflow.airflow_compat import conf, serves_plugin_apps

    if not conf.get("kling", "gallery", fallback=None) or not serves_plugin_apps():
        return None
    base = conf.get("api", "base_url", fallback=None) or ""
    return f"{base.rstrip('/')}{PREFIX}/"


def request_page(request_id: str, ti: Any = None) -> str | None:
    """Return the address of a request's page in the gallery; None if there is no gallery.

    :param ti: the task instance that has the request. Before its clip has landed the gallery finds the
        request only by its DAG and run.
    """
    gallery = gallery_address()
    if gallery is None:
        return None
    names = {"dag_id": getattr(ti, "dag_id", None), "run_id": getattr(ti, "run_id", None)}
    asked = urlencode({name: value for name, value in names.items() if value})
    return f"{gallery}requests/{quote(request_id, safe='')}{'?' if asked else ''}{asked}"
