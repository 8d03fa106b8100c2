"""The application: the queue, the object store beside it, and the simulator's own pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Match

from kling_airflow import __version__
from kling_airflow.simulator.http import admin_routes, console_routes, openapi, queue_routes, storage_routes
from kling_airflow.simulator.http.authentication import service_of
from kling_airflow.simulator.http.responses import refusal_response
from kling_airflow.simulator.queue.calls import CONSOLE_QUEUE, QUEUE
from kling_airflow.simulator.queue.refusal import Refusal

if TYPE_CHECKING:
    from kling_airflow.simulator.service import Service

CONSOLE = "<!doctype html><html><head><title>GMI Cloud Console</title></head><body></body></html>"


def build(service: Service) -> FastAPI:
    """Return the application that serves a simulated service."""
    app = FastAPI(
        title="GMI Cloud request queue, simulated",
        version=__version__,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's page would run a script of another host
        redoc_url=None,
    )
    app.state.service = service
    app.include_router(queue_routes.router, prefix=QUEUE)
    app.include_router(queue_routes.router, prefix=CONSOLE_QUEUE, include_in_schema=False)
    app.include_router(console_routes.router)
    app.include_router(storage_routes.router)
    app.include_router(admin_routes.router)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _elsewhere)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    return app


async def _refused(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, Refusal) else Refusal(500, str(error))
    return refusal_response(refusal, as_object=service_of(request).object_error())


async def _invalid(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    text = ", ".join(f"{problem['loc'][-1]} ({problem['msg']})" for problem in problems)
    return await _refused(request, Refusal(400, f"invalid query parameters: {text}"))


def _methods(request: Request) -> list[str]:
    """Return every method that a path takes: the router itself names those of one route only."""
    scope = {"type": "http", "path": request.url.path, "root_path": ""}
    found: set[str] = set()
    for route in request.app.routes:
        for method in getattr(route, "methods", None) or ():
            match, _ = route.matches({**scope, "method": method})
            if match is Match.FULL:
                found.add(method)
    return sorted(found)


async def _elsewhere(request: Request, error: Exception) -> Response:
    """Answer other paths: 405 to a POST, as two users saw; the console's page to a GET, which is assumed."""
    path = request.url.path
    known = path.startswith((CONSOLE_QUEUE, "/_simulator"))
    if isinstance(error, HTTPException) and error.status_code == 405 and known:
        headers = {"allow": ", ".join(_methods(request))}
        return await _refused(request, Refusal(405, "method not allowed", headers=headers))
    if path.startswith(("/api/", "/_simulator")):
        return PlainTextResponse("404 page not found", 404)
    if path == "/" and request.method in ("GET", "HEAD"):
        return RedirectResponse("/_simulator/")
    if request.method not in ("GET", "HEAD"):
        return PlainTextResponse("Method Not Allowed", 405, {"allow": "GET, HEAD"})
    return HTMLResponse(CONSOLE)
