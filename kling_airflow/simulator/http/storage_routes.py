"""The object store: presigned uploads, public frames, clips. A call with a key is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response

from kling_airflow.simulator.faults.registry import Stage
from kling_airflow.simulator.faults.schedule import struck
from kling_airflow.simulator.http import openapi_examples
from kling_airflow.simulator.http.authentication import service_of
from kling_airflow.simulator.http.responses import file_response
from kling_airflow.simulator.queue.file_access import FileAccess, no_such_key
from kling_airflow.simulator.queue.lifecycle import Status
from kling_airflow.simulator.queue.records import MEDIA_FOLDER
from kling_airflow.simulator.queue.refusal import storage_refusal
from kling_airflow.simulator.queue.uploads import FOLDER, MAX_BYTES

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.requests import QueueRequest
    from kling_airflow.simulator.service import Service

router = APIRouter(tags=["storage"])
MOVED = "moved"


@router.put(FOLDER + "{name}", responses=openapi_examples.PUT_FILE)
async def put_upload(request: Request, name: str) -> Response:
    """Take the bytes of a presigned upload; the Content-Type is part of the signature."""
    uploads = service_of(request).uploads
    _strike(request, FileAccess())
    content_type = uploads.check(request.url.path, request.query_params, request.headers)
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            raise storage_refusal(400, "EntityTooLarge", f"Your proposed upload exceeds {MAX_BYTES} bytes.")
    uploads.write(request.url.path, b"".join(parts), content_type)
    return Response(None, 200)


@router.head(FOLDER + "{name}", include_in_schema=False)
@router.get(FOLDER + "{name}", responses=openapi_examples.FILE)
async def get_upload(request: Request, name: str) -> Response:
    """Return an uploaded file. It is public: a call needs the URL only."""
    _refuse_key(request)
    access = FileAccess()
    _strike(request, access)
    if access.redirect_status is not None:
        return _redirect(request, access.redirect_status)
    upload = service_of(request).uploads.read(request.url.path)
    if upload is None:
        raise no_such_key()
    return Response(upload.data, headers={"content-type": upload.content_type})


@router.head(MEDIA_FOLDER + "{name}", include_in_schema=False)
@router.get(MEDIA_FOLDER + "{name}", responses=openapi_examples.FILE)
async def get_media(request: Request, name: str) -> Response:
    """Return a clip or its thumbnail, whole or in part."""
    _refuse_key(request)
    service = service_of(request)
    request_id, _, suffix = name.rpartition(".")
    found = _finished(service, request_id)
    age = float("inf") if found.finished_at is None else service.clock.now() - found.finished_at
    access = FileAccess(age, request.headers.get("range"))
    _strike(request, access)
    if access.redirect_status is not None:
        return _redirect(request, access.redirect_status)
    found.calls["GET media"] += 1
    media = found.verdict.media if found.verdict else None
    if media is None:
        raise no_such_key()
    head = request.method == "HEAD"
    if suffix == "jpg" and media.thumbnail is not None:
        return file_response(media.thumbnail, "image/jpeg", access.range_header, head=head)
    if f".{suffix}" != media.clip.suffix:
        raise no_such_key()
    return file_response(media.clip, media.content_type, access.range_header, head=head)


def _finished(service: Service, request_id: str) -> QueueRequest:
    request = service.store.get(request_id)
    if request is not None:
        service.store.settle(request, service.clock.now())
        if request.terminal is Status.SUCCESS:
            return request
    raise no_such_key()


def _strike(request: Request, access: FileAccess) -> None:
    """Let the faults that strike a call change its access to a file."""
    for fault in struck(request.scope, Stage.STORAGE):
        fault.apply(access)
    if MOVED in request.query_params:
        access.redirect_status = None


def _redirect(request: Request, status: int) -> Response:
    """Return a redirect to the file's other address."""
    return Response(None, status, {"location": f"{request.url.path}?{MOVED}=1"})


def _refuse_key(request: Request) -> None:
    """Refuse a call with an Authorization header, as Google's storage refuses a foreign key."""
    if "authorization" in request.headers:
        raise storage_refusal(401, "AuthenticationRequired", "Authentication required.")
