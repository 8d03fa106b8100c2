"""The simulator's own side: the ledger, counts, reset."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kling_airflow.simulator.responses import json_response
from kling_airflow.simulator.routes import service_of

router = APIRouter(prefix="/_simulator", tags=["simulator"])


@router.get("/ledger")
async def ledger(request: Request) -> Response:
    """Every request that was created, with what it costs."""
    return json_response({"requests": [entry.as_dict() for entry in service_of(request).ledger()]})


@router.get("/calls")
async def calls(request: Request) -> Response:
    """How often each call was made."""
    return json_response(dict(service_of(request).calls))


@router.post("/reset")
async def reset(request: Request) -> Response:
    """Forget every request, upload, count and fault."""
    service_of(request).reset()
    return Response(None, 204)
