"""The JSON behind the page in the browser."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.queue.lifecycle import Status
from kling_airflow.simulator.queue.records import clip_url, thumbnail_url

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.requests import QueueRequest
    from kling_airflow.simulator.service import Service


def overview(service: Service, limit: int) -> dict[str, Any]:
    """Return the newest requests, the money, the calls and the faults in force.

    :param limit: how many requests.
    """
    now = service.clock.now()
    service.store.advance(now)
    statuses: Counter[str] = Counter()
    held = charged = 0
    for request in service.store:
        statuses[request.view(now)[0].value] += 1
        if request.billed and request.terminal is None:
            held += request.amount
        elif request.billed:
            charged += request.amount
    newest = itertools.islice(reversed(service.store), limit)
    return {
        "now": now,
        "speed": service.settings.speed,
        "base_url": service.base_url,
        "statuses": statuses,
        "held_usd": held / 1e6,
        "charged_usd": charged / 1e6,
        "organizations": [
            {"name": organization.name, "credit_usd": _dollars(organization.credit)}
            for organization in service.accounts.organizations.values()
        ],
        "calls": dict(service.calls),
        "faults": [fault.describe() for fault in service.faults.in_force()],
        "requests": [_shown(request, now) for request in newest],
    }


def _shown(request: QueueRequest, now: float) -> dict[str, Any]:
    status, _ = request.view(now)
    inputs = request.model.inputs(request.payload)
    media = request.verdict.media if request.verdict and status is Status.SUCCESS else None
    running = max(0.0, (request.finished_at or now) - request.created_at)
    return {
        "request_id": request.request_id,
        "model": request.model.id,
        "status": status.value,
        "key": request.key_name,
        "organization": request.organization,
        "prompt": str(request.payload.get("prompt") or request.payload.get("text") or ""),
        "seconds": request.model.duration(request.payload),
        "sound": request.model.sound(request.payload),
        "frames": [
            f"/_simulator/frames/{request.request_id}/{role}"
            for role, source in (("start", inputs.start), ("end", inputs.end))
            if source is not None
        ],
        "clip": clip_url(request, "") if media else None,
        "thumbnail": thumbnail_url(request, "") if media else None,
        "ordered": request.overrides.faults,
        "is_video": request.model.result == "clip",
        "error": request.error,
        "created_at": request.created_at,
        "running_seconds": running,
        "expected_seconds": request.timeline.done,
        "billed": request.billed,
        "amount_usd": request.amount / 1e6,
        "calls": dict(request.calls),
    }


def _dollars(amount: int | None) -> float | None:
    return None if amount is None else amount / 1e6
