"""What a fault makes of a request's life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.simulator.queue.lifecycle import Status
from kling_airflow.simulator.queue.requests import Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kling_airflow.simulator.faults.schedule import Fault
    from kling_airflow.simulator.settings import Settings

RATE_LIMIT = "rate limit exceeded(RPM)"
CONTENT_POLICY = "Generation rejected; please review the prompt and parameters then retry"
DOWNLOAD = "Failed to download media"


def apply(fate: Fate, faults: Iterable[Fault], settings: Settings) -> None:
    """Write the faults that struck a submission into its fate."""
    for fault in faults:
        effect = _EFFECTS.get(fault.kind.name)
        if effect is not None:
            effect(fate, fault, settings)


def _failed(reason: str | None) -> Callable[[Fate, Fault, Settings], None]:
    def effect(fate: Fate, fault: Fault, settings: Settings) -> None:
        fate.failure = reason or str(fault.options["reason"])
        after = fault.options.get("after")
        fate.failure_after = None if after is None else float(after)

    return effect


def _failed_download(fate: Fate, fault: Fault, settings: Settings) -> None:
    after = fault.options["after"]
    fate.failure = DOWNLOAD
    fate.failure_after = settings.late_failure_seconds / settings.speed if after is None else float(after)


def _error_elsewhere(fate: Fate, fault: Fault, settings: Settings) -> None:
    fate.failure, fate.error_place = str(fault.options["reason"]), str(fault.options["place"])


def _stuck(status: Status) -> Callable[[Fate, Fault, Settings], None]:
    def effect(fate: Fate, fault: Fault, settings: Settings) -> None:
        fate.stuck_in = status

    return effect


def _shape(shape: str) -> Callable[[Fate, Fault, Settings], None]:
    def effect(fate: Fate, fault: Fault, settings: Settings) -> None:
        fate.success_shape = shape

    return effect


def _hidden(fate: Fate, fault: Fault, settings: Settings) -> None:
    seconds = fault.options["seconds"]
    fate.hidden_for = float("inf") if seconds is None else float(seconds)


def _unknown_status(fate: Fate, fault: Fault, settings: Settings) -> None:
    fate.shown_as = str(fault.options["status"])


def _upper_case(fate: Fate, fault: Fault, settings: Settings) -> None:
    fate.upper_case = True


def _backend_error(fate: Fate, fault: Fault, settings: Settings) -> None:
    fate.refusal = f"Backend error ({fault.options['code']:g}). Please try again."


_EFFECTS: dict[str, Callable[[Fate, Fault, Settings], None]] = {
    "backend-error": _backend_error,
    "stuck-queued": _stuck(Status.QUEUED),
    "stuck-dispatched": _stuck(Status.DISPATCHED),
    "hidden-by-id": _hidden,
    "failed": _failed(None),
    "failed-rate-limit": _failed(RATE_LIMIT),
    "failed-content-policy": _failed(CONTENT_POLICY),
    "failed-download": _failed_download,
    "error-elsewhere": _error_elsewhere,
    "success-video-url": _shape("video_url"),
    "success-string-urls": _shape("strings"),
    "success-no-media": _shape("none"),
    "unknown-status": _unknown_status,
    "upper-case-status": _upper_case,
}
