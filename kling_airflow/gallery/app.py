"""The gallery's web app, which Airflow's API server mounts at ``/kling``. Every route demands a user."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler

from kling_airflow.errors import KlingError
from kling_airflow.gallery.access import User, demand_dag, demand_user, readable_dags
from kling_airflow.gallery.details import details_of, film_file
from kling_airflow.gallery.entry import GalleryEntry
from kling_airflow.gallery.frames import NoThumbnail, thumbnail
from kling_airflow.gallery.index import Index
from kling_airflow.gallery.pages import HEADERS, page
from kling_airflow.gallery.request_view import request_view
from kling_airflow.gallery.search import Page, Search
from kling_airflow.gallery.settings import configured_gallery, open_gallery
from kling_airflow.gallery.spend import spend
from kling_airflow.gallery.streaming import file_response, picture_response, placeholder_response
from kling_airflow.gallery.task_view import inline_style, task_view

log = logging.getLogger(__name__)

_STATIC: Final = Path(__file__).parent / "static"
_ASSETS: Final = {
    "gallery.css": "text/css",
    "gallery.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "icon-dark.svg": "image/svg+xml",
}
_indexes: dict[str, Index] = {}


def create_app() -> FastAPI:
    """Return the app. It reads the configuration when a page is asked for, not here."""
    # A dependency of the app, not of a route: a route that is added later is guarded as well.
    app = FastAPI(
        title="Kling gallery",
        dependencies=[Depends(demand_user)],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    get = {"methods": ["GET", "HEAD"], "include_in_schema": False}
    app.add_api_route("/", _gallery, response_model=None, **get)  # type: ignore[arg-type]
    app.add_api_route("/requests/{request_id}", _request, response_model=None, **get)  # type: ignore[arg-type]
    app.add_api_route("/media/{entry_id}/{name}", _media, response_model=None, **get)  # type: ignore[arg-type]
    app.add_api_route("/frames/{entry_id}/{number}", _frame, response_model=None, **get)  # type: ignore[arg-type]
    app.add_api_route("/task", _task, response_model=None, **get)  # type: ignore[arg-type]
    app.add_api_route("/static/{name}", _asset, response_model=None, **get)  # type: ignore[arg-type]
    app.add_api_route("/{rest:path}", _nothing, response_model=None, **get)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(KlingError, _broken)
    return app


def _index() -> Index | None:
    """Return the index of the configured gallery; None if none is configured."""
    address = configured_gallery()
    if address is None:
        return None
    if address not in _indexes:
        _indexes[address] = Index(open_gallery(address))
    return _indexes[address]


def _gallery(request: Request, user: User) -> Response:
    index = _index()
    if index is None:
        return page(request, "empty.html")
    search, dags = Search.read(request.query_params), readable_dags(user)
    entries = index.entries()
    found = search.found(entries, dags)
    return page(
        request,
        "gallery.html",
        search=search,
        shown=Page.of(found, search.page),
        spend=spend(found),
        dags=sorted({entry.dag_id for entry in entries} & set(dags)),
        folder=index.folder.uri,
    )


def _request(request: Request, request_id: str, user: User) -> Response:
    """Show a request: its landings, and its timeline. Before it has landed, DAG and run must be named."""
    dag_id, run_id = (request.query_params.get(name, "") for name in ("dag_id", "run_id"))
    view = request_view(user, _index(), request_id, dag_id, run_id)
    if not view.is_known:
        raise HTTPException(404, "Neither the gallery nor the ledger of this run has that request.")
    return page(request, "request.html", view=view, gallery=configured_gallery() or "")


def _task(request: Request, user: User) -> Response:
    """Show the requests of a task instance, on a page that loads nothing."""
    names = ("dag_id", "run_id", "task_id", "map_index")
    style, headers = inline_style()
    view = task_view(user, _index(), *(request.query_params.get(name, "") for name in names))
    return page(request, "task.html", headers=headers, view=view, style=style)


def _media(request: Request, entry_id: str, name: str, user: User) -> Response:
    """Serve a file of a landing. The address holds an id and a kind, never a path."""
    index = _index()
    entry = index.find(entry_id) if index else None
    if index is None or entry is None:
        raise HTTPException(404, "The gallery has no such clip.")
    demand_dag(user, entry.dag_id)
    size: int | None = None
    if name == "clip":
        path, size = entry.path, entry.size
    elif name == "poster" and entry.has_poster:
        path = entry.beside(".jpg")
    else:
        path, size = _film_file(index, entry, name)
    return file_response(request, index.folder, path, size)


def _film_file(index: Index, entry: GalleryEntry, name: str) -> tuple[str, int]:
    found = film_file(details_of(index.folder, entry), name)
    if found is None:
        raise HTTPException(404, "This landing has no such file.")
    return found


def _frame(request: Request, entry_id: str, number: str, user: User) -> Response:
    """Serve a small picture of a frame; an address that names none is told from a frame that is gone."""
    index, address = _index(), configured_gallery()
    entry = index.find(entry_id) if index else None
    if index is None or entry is None or address is None:
        raise HTTPException(404, "The gallery has no such clip.")
    demand_dag(user, entry.dag_id)
    frames = details_of(index.folder, entry).frames
    if not re.fullmatch("[0-9]{1,2}", number, re.ASCII) or int(number) >= len(frames):
        raise HTTPException(404, "This landing has no such frame.")
    try:
        return picture_response(request, thumbnail(address, index.folder, frames[int(number)]))
    except NoThumbnail as error:
        return placeholder_response(str(error))


def _asset(name: str) -> Response:
    if name not in _ASSETS:
        raise HTTPException(404, "There is no such file.")
    data = (_STATIC / name).read_bytes()
    headers = HEADERS | {"Cache-Control": "private, max-age=300"}
    return Response(data, media_type=_ASSETS[name], headers=headers)


def _nothing(rest: str) -> Response:
    raise HTTPException(404, "There is no such page.")


async def _refused(request: Request, error: Exception) -> Response:
    """Answer a refusal: a page for a person's browser, JSON for a program."""
    assert isinstance(error, HTTPException)  # noqa: S101 -- the handler is registered for this class
    if "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    login = "/api/v2/auth/login" if error.status_code == 401 else ""
    return page(request, "refused.html", error.status_code, what=str(error.detail), login=login)


async def _broken(request: Request, error: Exception) -> Response:
    """Say what the store or the setting lacks: the page's reader can tell the administrator."""
    what = error.what if isinstance(error, KlingError) else type(error).__name__
    log.warning("The gallery can't be shown: %s", what)
    return page(request, "refused.html", 503, what=what, login="")
