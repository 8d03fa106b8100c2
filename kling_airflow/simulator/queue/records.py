"""The JSON of a request: the answer to its submission, and its record."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.queue.lifecycle import TERMINAL, Status
from kling_airflow.simulator.queue.results import MEDIUM

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.requests import QueueRequest

_CLIP_SHAPES: dict[str, Callable[[str], dict[str, Any]]] = {
    "media_urls": lambda url: {"media_urls": [{"id": "0", "url": url}]},
    "video_url": lambda url: {"video_url": url},
    "strings": lambda url: {"media_urls": [url]},
    "none": lambda url: {"media_urls": []},
    "audio_url": lambda url: {"audio_url": url},
    "both": lambda url: {"audio_url": url, "media_urls": [{"id": "0", "url": url}]},
}
"""How an outcome names its medium."""
MEDIA_FOLDER = "/gmi-video-assests-prod/"  # the vendor's spelling


def submitted(request: QueueRequest) -> dict[str, Any]:
    """Return the answer to the POST as the vendor documents it: integer seconds, no outcome."""
    created = int(request.created_at)
    return {
        "request_id": request.request_id,
        "model": request.model.id,
        "status": request.timeline.announced.value,
        "created_at": created,
        "updated_at": created,
        "queued_at": created,
    }


def record(
    request: QueueRequest, now: float, base_url: str, *, echo: bool = True, with_outcome: bool = True
) -> dict[str, Any]:
    """Return the record as a read by id or a row of the list shows it. Two users saw these keys.

    :param now: the moment it shows, seconds since the epoch, not before the request's creation.
    :param echo: whether the payload comes back whole, else as `{}`, which one user saw.
    :param with_outcome: whether a terminal record shows its outcome.
    """
    status, since = request.view(now)
    created = int(request.created_at)
    shown: dict[str, Any] = {
        "request_id": request.request_id,
        "org_id": request.organization,
        "user_id": request.user,
        "model": request.model.id,
        "status": _shown_status(request, status),
        "is_public": False,
        "payload": request.payload if echo else {},
        "outcome": outcome(request, status, base_url) if with_outcome else None,
        "created_at": created,
        "updated_at": max(created, int(since)),
        "queued_at": created,
    }
    place = request.overrides.error_place
    if status is Status.FAILED and place in ("error", "error_message", "reason"):
        shown[place] = request.error
    return shown


def outcome(request: QueueRequest, status: Status, base_url: str) -> dict[str, Any] | None:
    """Return the outcome of a request; None until the request has ended."""
    if status is Status.SUCCESS:
        return _success(request, base_url)
    if status is Status.FAILED:
        place = request.overrides.error_place
        if place != "outcome.error":
            return {"message": request.error} if place == "outcome.message" else {}
        return {"error": error_body(request.error or "unknown error", as_object=request.object_errors)}
    return {} if status is Status.CANCELLED else None


def error_body(message: str, *, as_object: bool) -> str | dict[str, Any]:
    """Return an outcome's error in one of the two types that two users saw, with the one recorded code."""
    return {"code": "INVALID_INPUT", "message": message, "status": "failed"} if as_object else message


def clip_url(request: QueueRequest, base_url: str) -> str:
    """Return the URL of the clip."""
    media = request.verdict.media if request.verdict else None
    suffix = media.clip.suffix if media else ".mp4"
    return f"{base_url}{MEDIA_FOLDER}{request.request_id}{suffix}"


def thumbnail_url(request: QueueRequest, base_url: str) -> str | None:
    """Return the URL of the clip's thumbnail, or None if the clip has none."""
    media = request.verdict.media if request.verdict else None
    if media is None or media.thumbnail is None:
        return None
    return f"{base_url}{MEDIA_FOLDER}{request.request_id}.jpg"


def _shown_status(request: QueueRequest, status: Status) -> str:
    overrides = request.overrides
    shown = overrides.shown_as if overrides.shown_as is not None and status not in TERMINAL else status.value
    return shown.upper() if overrides.upper_case else shown


def _success(request: QueueRequest, base_url: str) -> dict[str, Any]:
    media = _media(request, clip_url(request, base_url))
    if request.overrides.trace_id:
        media["request_id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, request.request_id))
    thumbnail = thumbnail_url(request, base_url)
    if thumbnail is not None:
        media["thumbnail_image_url"] = thumbnail
    return media


def _media(request: QueueRequest, url: str) -> dict[str, Any]:
    """Return what a success has made: a medium in the way of its model, or another result."""
    result = request.verdict.result if request.verdict else None
    if result is not None and request.overrides.success_shape != "none":
        text = json.dumps(result)
        return dict(json.loads(text.replace(MEDIUM, url)))
    return _CLIP_SHAPES[request.overrides.success_shape or request.model.shape](url)
