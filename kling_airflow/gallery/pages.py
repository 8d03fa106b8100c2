"""HTML pages: all text escaped, and headers that let a page load and run nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from kling_airflow.gallery.entry import STATES, GalleryEntry

if TYPE_CHECKING:
    from fastapi import Request

PREFIX: Final = "/kling"
"""Where Airflow mounts the gallery."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; script-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-store",
    "Vary": "Cookie, Authorization",
}


def page(
    request: Request,
    template: str,
    status: int = 200,
    *,
    headers: Mapping[str, str] = HEADERS,
    **values: Any,
) -> HTMLResponse:
    """Return a page.

    :param template: its file in ``templates``.
    :param headers: of a page that may load other things than most.
    :param values: what it shows; all text in them is escaped.
    """
    root = str(request.scope.get("root_path", PREFIX)).rstrip("/")
    text = (
        _environment()
        .get_template(template)
        .render(root=root, airflow=root.removesuffix(PREFIX), states=STATES, **values)
    )
    return HTMLResponse(text.encode(errors="replace"), status, headers=dict(headers))


def run_path(dag_id: str, run_id: str, task_id: str = "", map_index: int = -1) -> str:
    """Return the path of a run, or of a task of it, in Airflow's UI."""
    path = f"/dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}"
    if task_id:
        path += f"/tasks/{quote(task_id, safe='')}"
        path += f"/mapped/{map_index}" if map_index >= 0 else ""
    return path


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("kling_airflow.gallery"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "usd": _usd,
        "clock": _clock,
        "seconds": _seconds,
        "model": _model,
        "q": _quoted,
        "moment": _moment,
    }
    made.globals |= {"run_path": run_path, "run_of": _run_of}
    return made


def _run_of(entry: GalleryEntry) -> str:
    return run_path(entry.dag_id, entry.run_id, entry.task_id, entry.map_index)


def _usd(value: float | None) -> str:
    return "price unknown" if value is None else f"${value:,.2f}"


def _clock(text: str | None) -> str:
    try:
        return f"{datetime.fromisoformat(text or ''):%Y-%m-%d %H:%M}"
    except ValueError:
        return ""


def _moment(text: str) -> str:
    """Return a time with how long ago it was, as a person reads it."""
    moment = datetime.fromisoformat(text)
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    ago = (
        f"{seconds} s"
        if seconds < 120
        else f"{seconds // 60} min"
        if seconds < 7200
        else f"{seconds // 3600} h"
    )
    return f"{moment:%Y-%m-%d %H:%M:%S} ({ago} ago)"


def _seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 60 else f"{int(value) // 60}:{int(value) % 60:02d} min"


def _model(text: str) -> str:
    return text or "unknown model"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
