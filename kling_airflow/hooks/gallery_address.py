"""Where a browser finds the gallery, and a request's page in it."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

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


def request_page(request_id: str) -> str | None:
    """Return the address of a request's page in the gallery; None if there is no gallery."""
    gallery = gallery_address()
    return None if gallery is None else f"{gallery}requests/{quote(request_id, safe='')}"
