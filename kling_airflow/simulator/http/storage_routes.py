"""The object store beside the queue: presigned uploads, public frames, clips. No key is ever sent here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.responses import Response

from kling_airflow.simulator.faults.schedule import struck
from kling_airflow.simulator.http import openapi_examples
from kling_airflow.simulator.http.authentication import service_of
from kling_airflow.simulator.http.responses import file_response
from kling_airflow.simulator.queue.lifecycle import Status
from kling_airflow.simulator.queue.records import MEDIA_FOLDER
from kling_airflow.simulator.queue.refusal import storage_refusal
from kling_airflow.simulator.queue.uploads import FOLDER, MAX_BYTES, expired

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.requests import QueueRequest
    from kling_airflow.simulator.service import Service

router = APIRouter(tags=["storage"])
MOVED = "moved"


@router.put(FOLDER + "{name}", responses=openapi_examples.PUT_FILE)
async def put_upload(request: Request, name: str) -> Response:
    """Take the bytes of a presigned upload; the Content-Type is part of the signature."""
    uploads = service_of(request).uploads
    if "upload-url-expired" in struck(request.scope):
        raise expired()
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
    """Return an uploaded file; anyone who has the URL may read it."""
    _refuse_key(request)
    moved = _elsewhere(request, None)
    if moved is not None:
        return moved
    upload = service_of(request).uploads.read(request.url.path)
    if upload is None:
        raise _no_such_key()
    return Response(upload.data, headers={"content-type": upload.content_type})


@router.head(MEDIA_FOLDER + "{name}", include_in_schema=False)
@router.get(MEDIA_FOLDER + "{name}", responses=openapi_examples.FILE)
async def get_media(request: Request, name: str) -> Response:
    """Return a clip or its thumbnail, whole or in part."""
    _refuse_key(request)
    service = service_of(request)
    request_id, _, suffix = name.rpartition(".")
    found = _finished(service, request_id)
    moved = _elsewhere(request, found)
    if moved is not None:
        return moved
    found.calls["GET media"] += 1
    media = found.verdict.media if found.verdict else None
    if media is None:
        raise _no_such_key()
    range_header = None if "media-no-range" in struck(request.scope) else request.headers.get("range")
    head = request.method == "HEAD"
    if suffix == "jpg" and media.thumbnail is not None:
        return file_response(media.thumbnail, "image/jpeg", range_header, head=head)
    if f".{suffix}" != media.clip.suffix:
        raise _no_such_key()
    return file_response(media.clip, media.content_type, range_header, head=head)


def _finished(service: Service, request_id: str) -> QueueRequest:
    request = service.store.get(request_id)
    if request is not None:
        service.store.settle(request, service.clock.now())
        if request.terminal is Status.SUCCESS:
            return request
    raise _no_such_key()


def _elsewhere(request: Request, found: QueueRequest | None) -> Response | None:
    """Apply the faults that say the file is not here: gone, or moved."""
    faults = struck(request.scope)
    if "media-gone" in faults:
        now = service_of(request).clock.now()
        age = float("inf") if found is None or found.finished_at is None else now - found.finished_at
        if age >= float(faults["media-gone"].options["after"]):
            raise _no_such_key()
    if "media-moved" in faults and MOVED not in request.query_params:
        location = f"{request.url.path}?{MOVED}=1"
        return Response(None, int(faults["media-moved"].options["status"]), {"location": location})
    return None


def _refuse_key(request: Request) -> None:
    """Refuse a public object to a bearer key that isn't the store's, as Google's storage does."""
    if "authorization" in request.headers:
        raise storage_refusal(401, "AuthenticationRequired", "Authentication required.")


def _no_such_key() -> Exception:
    return storage_refusal(404, "NoSuchKey", "The specified key does not exist.")
