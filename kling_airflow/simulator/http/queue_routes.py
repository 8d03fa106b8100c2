"""The queue's endpoints."""

from __future__ import annotations

from email.utils import formatdate
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotations

from kling_airflow.simulator.faults.registry import Stage
from kling_airflow.simulator.faults.schedule import struck
from kling_airflow.simulator.http import openapi_examples
from kling_airflow.simulator.http.authentication import Caller, from_console, service_of
from kling_airflow.simulator.http.request_body import limited_body
from kling_airflow.simulator.http.responses import json_response
from kling_airflow.simulator.queue import models, records
from kling_airflow.simulator.queue.lifecycle import Status
from kling_airflow.simulator.queue.listing import PAGE, ListQuery, page
from kling_airflow.simulator.queue.refusal import Refusal
from kling_airflow.simulator.queue.requests import QueueRequest
from kling_airflow.simulator.service import Service

router = APIRouter(tags=["request queue"], responses=openapi_examples.REFUSALS)


@router.post("/requests", openapi_extra=openapi_examples.SUBMIT_BODY, responses=openapi_examples.SUBMITTED)
async def submit(request: Request, account: Caller) -> Response:
    """Submit a request. The POST of a Kling model calls the upstream vendor before it answers."""
    service = service_of(request)
    service.accounts.admit(account, service.settings.retry_after)
    body = await limited_body(request, service.settings.max_body_bytes)
    created = await service.submit(account, body, service.overrides(struck(request.scope, Stage.LIFE)))
    created.from_console = from_console(request)
    created.calls["POST /requests"] += 1
    if created.model.delivery_mode == "sync":
        if created.terminal is Status.FAILED and service.settings.sync_failures == "400":
            return json_response({"error": created.error, "request_id": created.request_id}, 400)
        return json_response(show(service, created))
    return json_response(records.submitted(created))


@router.get("/requests", responses=openapi_examples.LISTED)
async def list_requests(
    request: Request,
    account: Caller,
    model_id: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1)] = PAGE,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """List the organization's requests, newest first. Clients use the call to check a key."""
    service = service_of(request)
    settings = service.settings
    query = ListQuery(
        account.organization,
        model_id,
        now=service.clock.now(),
        limit=limit,
        offset=offset,
        lag_seconds=settings.list_lag_seconds,
        empty=settings.list_needs_model and model_id is None,
        with_payloads=settings.payload_echo == "whole",
        with_outcomes=settings.list_outcomes,
    )
    for fault in struck(request.scope, Stage.LIST):
        query.ordered_at = fault.since
        fault.apply(query)
    shown = page(service.store, query, service.base_url)
    for row in shown["requests"]:
        _changed(request, _for_console(request, row))
    headers = {}
    if query.as_of is not None:  # a cached page has the Date of the moment at which it was made
        headers["date"] = formatdate(query.as_of, usegmt=True)
        if query.with_age:
            headers["age"] = str(int(query.now - query.as_of))
    return json_response(shown, headers=headers)


@router.get("/requests/{request_id}", responses=openapi_examples.RECORD)
async def get_request(request: Request, account: Caller, request_id: str) -> Response:
    """Read a request: its status, and its outcome once it is terminal."""
    service = service_of(request)
    found = service.read(account, request_id, console=from_console(request))
    found.calls["GET /requests/{id}"] += 1
    return json_response(_changed(request, _for_console(request, show(service, found))))


@router.delete("/requests/{request_id}", responses=openapi_examples.RECORD)
async def cancel_request(request: Request, account: Caller, request_id: str) -> Response:
    """Cancel a request. The vendor does not document the call; two clients use it."""
    service = service_of(request)
    found = service.cancel(account, request_id)
    found.calls["DELETE /requests/{id}"] += 1
    return json_response(show(service, found))


@router.get("/models", responses=openapi_examples.MODELS)
async def list_models(request: Request, account: Caller) -> Response:
    """List the models' ids; with a console token the whole models, as the vendor's SDK reads them."""
    entitled = [
        model for model in models.MODELS.values() if account.models is None or model.id in account.models
    ]
    if from_console(request):
        return json_response({"models": [model.describe(account.organization) for model in entitled]})
    return json_response({"model_ids": [model.id for model in entitled]})


@router.get("/models/{model_id}", responses=openapi_examples.MODEL)
async def get_model(request: Request, account: Caller, model_id: str) -> Response:
    """Describe a model: its parameters and its price."""
    description = service_of(request).model(model_id).describe(account.organization)
    for fault in struck(request.scope, Stage.CATALOGUE):
        fault.apply(description)
    return json_response(description)


@router.post("/upload-url", openapi_extra=openapi_examples.UPLOAD_BODY, responses=openapi_examples.UPLOAD)
async def upload_url(request: Request, account: Caller) -> Response:
    """Return a presigned URL to PUT a private frame to, and its public URL."""
    try:
        content = await request.json()
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid request body: not JSON") from error
    file_type = content.get("file_type") if isinstance(content, dict) else None
    return json_response(service_of(request).uploads.sign(file_type))


def show(service: Service, found: QueueRequest) -> dict[str, Any]:
    """Return the record of a request as the settings want it shown."""
    echo = service.settings.payload_echo == "whole"
    return records.record(found, service.clock.now(), service.base_url, echo=echo)


def _changed(request: Request, shown: dict[str, Any]) -> dict[str, Any]:
    """Let the faults that strike a call change a record that they select."""
    found = service_of(request).store.get(shown["request_id"])
    for fault in struck(request.scope, Stage.RECORD):
        if found is not None and fault.selects(found.request_id, found.payload_text):
            fault.apply(shown)
    return shown


def _for_console(request: Request, shown: dict[str, Any]) -> dict[str, Any]:
    """Add the key that the vendor's SDK reads, to records that are read with a console token."""
    if from_console(request):
        waiting = shown["status"] in ("created", "queued")
        shown["qworker_id"] = "" if waiting else "qworker-simulator"
    return shown
