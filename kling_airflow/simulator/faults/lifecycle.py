"""Faults in the life of a request: how it ends, and how its record shows that."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

from typing import Literal

from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import SUBMIT
from kling_airflow.simulator.queue.lifecycle import Status
from kling_airflow.simulator.queue.requests import Overrides
from kling_airflow.simulator.settings import Settings

RATE_LIMIT = "rate limit exceeded(RPM)"
CONTENT_POLICY = "Generation rejected; please review the prompt and parameters then retry"
DOWNLOAD = "Failed to download media"
Place = Literal["error", "error_message", "reason", "outcome.message"]


@register("backend-error", Stage.LIFE, (SUBMIT,))
def backend_error(request: Overrides, settings: Settings, *, code: float = 400) -> None:
    """500 `Backend error (code)`; no id, but a failed record appears in the list."""
    request.refusal = f"Backend error ({code:g}). Please try again."


@register("stuck-queued", Stage.LIFE, (SUBMIT,))
def stuck_queued(request: Overrides, settings: Settings) -> None:
    """The request stays `queued` for ever, with updated_at == created_at."""
    request.stuck_in = Status.QUEUED


@register("stuck-dispatched", Stage.LIFE, (SUBMIT,))
def stuck_dispatched(request: Overrides, settings: Settings) -> None:
    """The request stays `dispatched` for ever."""
    request.stuck_in = Status.DISPATCHED


@register("hidden-by-id", Stage.LIFE, (SUBMIT,))
def hidden_by_id(request: Overrides, settings: Settings, *, seconds: float | None = None) -> None:
    """The request is in the list, but 404 by id; only in its first `seconds` if set."""
    request.hidden_for = float("inf") if seconds is None else seconds


@register("failed", Stage.LIFE, (SUBMIT,))
def failed(
    request: Overrides, settings: Settings, *, reason: str = "internal error", after: float | None = None
) -> None:
    """The request ends as failed with `reason`; after `after` seconds if set."""
    _fail(request, reason, after)


@register("failed-rate-limit", Stage.LIFE, (SUBMIT,))
def failed_rate_limit(request: Overrides, settings: Settings, *, after: float | None = None) -> None:
    """The request ends as failed: `rate limit exceeded(RPM)`."""
    _fail(request, RATE_LIMIT, after)


@register("failed-content-policy", Stage.LIFE, (SUBMIT,))
def failed_content_policy(request: Overrides, settings: Settings, *, after: float | None = None) -> None:
    """The request ends as failed: the prompt or a frame is refused."""
    _fail(request, CONTENT_POLICY, after)


@register("failed-download", Stage.LIFE, (SUBMIT,))
def failed_download(request: Overrides, settings: Settings, *, after: float | None = None) -> None:
    """The request ends as failed about ten minutes later: `Failed to download media`."""
    late = settings.late_failure_seconds / settings.speed
    _fail(request, DOWNLOAD, late if after is None else after)


@register("cancelled-by-vendor", Stage.LIFE, (SUBMIT,))
def cancelled_by_vendor(request: Overrides, settings: Settings, *, after: float | None = None) -> None:
    """The request ends as cancelled, without a call to cancel it; after `after` seconds if set."""
    _fail(request, "cancelled", after)
    request.ends_as = Status.CANCELLED


@register("billed-price", Stage.LIFE, (SUBMIT,))
def billed_price(request: Overrides, settings: Settings, *, price: int = 900_000) -> None:
    """The request costs `price` micro-dollars a unit, whatever the catalogue shows."""
    request.price = price


@register("error-elsewhere", Stage.LIFE, (SUBMIT,))
def error_elsewhere(
    request: Overrides,
    settings: Settings,
    *,
    place: Place = "error_message",
    reason: str = "internal error",
) -> None:
    """The request ends as failed, the reason in `place`: error, error_message, reason or outcome.message."""
    _fail(request, reason, None)
    request.error_place = place


@register("success-video-url", Stage.LIFE, (SUBMIT,))
def success_video_url(request: Overrides, settings: Settings) -> None:
    """The outcome has `video_url` only."""
    request.success_shape = "video_url"


@register("success-string-urls", Stage.LIFE, (SUBMIT,))
def success_string_urls(request: Overrides, settings: Settings) -> None:
    """The outcome's `media_urls` are plain strings."""
    request.success_shape = "strings"


@register("success-no-media", Stage.LIFE, (SUBMIT,))
def success_no_media(request: Overrides, settings: Settings) -> None:
    """The outcome of a success has no media."""
    request.success_shape = "none"


@register("outcome-request-id", Stage.LIFE, (SUBMIT,))
def outcome_request_id(request: Overrides, settings: Settings) -> None:
    """The outcome of a success has a `request_id`: the upstream vendor's trace id, unknown to the queue."""
    request.trace_id = True


@register("unknown-status", Stage.LIFE, (SUBMIT,))
def unknown_status(request: Overrides, settings: Settings, *, status: str = "warming_up") -> None:
    """The record shows `status`, which the vendor does not document, while the request runs."""
    request.shown_as = status


@register("upper-case-status", Stage.LIFE, (SUBMIT,))
def upper_case_status(request: Overrides, settings: Settings) -> None:
    """The record shows its statuses in capitals."""
    request.upper_case = True


def _fail(request: Overrides, reason: str, after: float | None) -> None:
    request.failure, request.failure_after, request.ends_as = reason, after, Status.FAILED
