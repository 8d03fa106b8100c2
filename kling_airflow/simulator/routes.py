"""The queue's endpoints."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response  # noqa: TC002 - FastAPI reads the annotations

from kling_airflow.simulator import catalog, examples, records
from kling_airflow.simulator.body import limited_body
from kling_airflow.simulator.calls import QUEUE
from kling_airflow.simulator.faults.script import struck
from kling_airflow.simulator.listing import PAGE, page
from kling_airflow.simulator.refusal import Refusal
from kling_airflow.simulator.responses import json_response
from kling_airflow.simulator.service import Service
from kling_airflow.simulator.settings import Account


def service_of(request: Request) -> Service:
    """Return the service that the application serves."""
    service: Service = request.app.state.service
    return service


async def account_of(request: Request) -> Account:
    """Return the account whose key the call carries.

    :raises Refusal: 401, 403.
    """
    headers = request.headers
    return service_of(request).accounts.authenticate(
        headers.get("authorization"), headers.get("x-organization-id")
    )


Caller = Annotated[Account, Depends(account_of)]
router = APIRouter(prefix=QUEUE, tags=["request queue"], responses=examples.REFUSALS)


@router.post("/requests", openapi_extra=examples.SUBMIT_BODY, responses=examples.SUBMITTED)
async def submit(request: Request, account: Caller) -> Response:
    """Submit a request. The POST of a Kling model calls the upstream vendor before it answers."""
    service = service_of(request)
    service.accounts.admit(account, service.settings.retry_after)
    body = await limited_body(request, service.settings.max_body_bytes)
    created = await service.submit(account, body, struck(request.scope).values())
    created.calls["POST /requests"] += 1
    if created.model.delivery_mode == "sync":
        return json_response(show(service, created))
    return json_response(records.submitted(created))


@router.get("/requests", responses=examples.LISTED)
async def list_requests(
    request: Request,
    account: Caller,
    model_id: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1)] = PAGE,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """List the organization's requests, newest first; without a query a cheap authentication check."""
    faults = struck(request.scope)
    return json_response(
        page(
            service_of(request),
            account.organization,
            model_id,
            limit=limit,
            offset=offset,
            faults=faults,
        )
    )


@router.get("/requests/{request_id}", responses=examples.RECORD)
async def get_request(request: Request, account: Caller, request_id: str) -> Response:
    """Read a request: its status, and its outcome once it is terminal."""
    service = service_of(request)
    found = service.read(account, request_id)
    found.calls["GET /requests/{id}"] += 1
    return json_response(show(service, found))


@router.delete("/requests/{request_id}", responses=examples.RECORD)
async def cancel_request(request: Request, account: Caller, request_id: str) -> Response:
    """Cancel a request (seen by one user, undocumented)."""
    service = service_of(request)
    found = service.cancel(account, request_id)
    found.calls["DELETE /requests/{id}"] += 1
    return json_response(show(service, found))


@router.get("/models", responses=examples.MODELS)
async def list_models(account: Caller) -> Response:
    """List the ids of the models."""
    entitled = [id_ for id_ in catalog.MODELS if account.models is None or id_ in account.models]
    return json_response({"model_ids": entitled})


@router.get("/models/{model_id}", responses=examples.MODEL)
async def get_model(request: Request, account: Caller, model_id: str) -> Response:
    """Describe a model: its parameters and its price."""
    return json_response(service_of(request).model(model_id).describe(account.organization))


@router.post("/upload-url", openapi_extra=examples.UPLOAD_BODY, responses=examples.UPLOAD)
async def upload_url(request: Request, account: Caller) -> Response:
    """Return a presigned URL to PUT a private frame to, and its public URL."""
    try:
        content = await request.json()
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid request body: not JSON") from error
    file_type = content.get("file_type") if isinstance(content, dict) else None
    return json_response(service_of(request).uploads.sign(file_type))


def show(
    service: Service, found: Any, at: float | None = None, *, with_outcome: bool = True
) -> dict[str, Any]:
    """Return the record of a request as the settings want it shown.

    :param at: the moment it shows, seconds since the epoch; None is now.
    """
    return records.record(
        found,
        service.clock.now(),
        service.base_url,
        echo=service.settings.payload_echo == "whole",
    )
