"""The simulator's own calls: the page, the ledger, counts, faults, metrics, reset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from kling_airflow.simulator.faults.table import FAULT_TYPES
from kling_airflow.simulator.http import metrics, openapi_examples, overview
from kling_airflow.simulator.http.authentication import service_of
from kling_airflow.simulator.http.responses import json_response
from kling_airflow.simulator.http.security import page_headers
from kling_airflow.simulator.media import frames
from kling_airflow.simulator.queue.refusal import Refusal

router = APIRouter(prefix="/_simulator", tags=["simulator"])
PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
PAGE_HEADERS = page_headers(PAGE)


@router.get("/", include_in_schema=False)
async def page() -> Response:
    """Return the page for a browser."""
    return HTMLResponse(PAGE, headers=PAGE_HEADERS)


@router.get("/overview", responses=openapi_examples.ANYTHING | openapi_examples.BAD_QUERY)
async def get_overview(request: Request, limit: Annotated[int, Query(ge=0, le=1000)] = 60) -> Response:
    """Return the page's data: the newest requests, the money, the faults in force."""
    return json_response(overview.overview(service_of(request), limit))


@router.get("/ledger", responses=openapi_examples.LEDGER)
async def ledger(request: Request) -> Response:
    """Return every request that was created, oldest first, with what it costs."""
    return json_response({"requests": [entry.as_dict() for entry in service_of(request).ledger()]})


@router.get("/calls", responses=openapi_examples.ANYTHING)
async def calls(request: Request) -> Response:
    """Return how often each call was made."""
    return json_response(dict(service_of(request).calls))


@router.post("/reset", status_code=204)
async def reset(request: Request) -> Response:
    """Forget every request, upload and count; keep the faults of the settings."""
    service_of(request).reset()
    return Response(None, 204)


@router.post(
    "/keys/rotate",
    status_code=204,
    openapi_extra=openapi_examples.ROTATION_BODY,
    responses=openapi_examples.BAD_QUERY,
)
async def rotate_key(request: Request) -> Response:
    """Replace an API key: from now on the old key is refused and the new key is accepted."""
    try:
        content = await request.json()
        if not isinstance(content, dict):
            raise Refusal(400, "want a JSON object with the key's name and the new key")
        service_of(request).accounts.rotate(content.get("name"), content.get("new_key"))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, str(error)) from error
    return Response(None, 204)


@router.get("/faults", responses=openapi_examples.ANYTHING)
async def list_faults(request: Request) -> Response:
    """Return the faults in force, and every fault type there is."""
    types = [
        {
            "name": fault_type.name,
            "strikes": fault_type.stage.value,
            "calls": fault_type.calls,
            "about": fault_type.about,
            "options": fault_type.defaults,
            "fields": [option.describe() for option in fault_type.options],
        }
        for fault_type in FAULT_TYPES.values()
    ]
    in_force = [fault.describe() for fault in service_of(request).faults.in_force()]
    return json_response({"faults": in_force, "types": types})


@router.post(
    "/faults", status_code=201, openapi_extra=openapi_examples.FAULT_BODY, responses=openapi_examples.FAULT
)
async def add_fault(request: Request) -> Response:
    """Put a fault in force."""
    try:
        values = await request.json()
        if not isinstance(values, dict):
            raise Refusal(400, "want a JSON object with the fault's name")
        fault = service_of(request).add_fault(values)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, str(error)) from error
    return json_response(fault.describe(), 201)


@router.delete("/faults", status_code=204)
async def clear_faults(request: Request) -> Response:
    """Take every fault out of force."""
    service_of(request).faults.clear()
    return Response(None, 204)


@router.delete("/faults/{fault_id}", status_code=204, responses=openapi_examples.NOT_FOUND)
async def remove_fault(request: Request, fault_id: str) -> Response:
    """Take one fault out of force."""
    if not service_of(request).faults.remove(fault_id):
        raise Refusal(404, f"no fault {fault_id} is in force")
    return Response(None, 204)


@router.get("/metrics", responses=openapi_examples.METRICS)
async def get_metrics(request: Request) -> Response:
    """Return counters in Prometheus' text format."""
    return PlainTextResponse(metrics.exposition(service_of(request)), media_type=metrics.CONTENT_TYPE)


@router.get("/frames/{request_id}/{role}", include_in_schema=False)
async def get_frame(request: Request, request_id: str, role: str) -> Response:
    """Return an input frame of a request, for the page."""
    found = service_of(request).store.get(request_id)
    if found is None or role not in ("start", "end"):
        raise Refusal(404, "no such frame")
    inputs = found.model.inputs(found.payload)
    source = inputs.start if role == "start" else inputs.end
    if source is None:
        raise Refusal(404, "no such frame")
    if frames.is_url(source):
        return RedirectResponse(source)
    try:
        data = frames.decode(source, allow_prefix=True)
    except frames.Unusable as error:
        raise Refusal(404, str(error)) from error
    media_type = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return Response(data, headers={"x-content-type-options": "nosniff"}, media_type=media_type)
