"""Faults that answer in the service's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.faults.filters import gateway_page
from kling_airflow.simulator.queue.accounts import rate_limited
from kling_airflow.simulator.queue.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

CAPACITY = "Upstream capacity temporarily exhausted; please retry later"
DEADLINE = "context deadline exceeded"


def _rate_limited(options: dict[str, Any]) -> Refusal:
    return rate_limited(_seconds(options))


def _capacity(options: dict[str, Any]) -> Refusal:
    seconds = _seconds(options)
    return Refusal(503, CAPACITY, headers={} if seconds is None else {"retry-after": str(seconds)})


def _deadline_exceeded(options: dict[str, Any]) -> Refusal:
    return Refusal(500, DEADLINE)


def _bad_gateway(options: dict[str, Any]) -> Refusal:
    status = int(options["status"])
    return Refusal(status, "bad gateway", body=gateway_page(status), headers={"content-type": "text/html"})


def _http_error(options: dict[str, Any]) -> Refusal:
    return Refusal(int(options["status"]), str(options["message"]))


def _seconds(options: dict[str, Any]) -> int | None:
    return None if options["retry_after"] is None else int(options["retry_after"])


INSTEAD: dict[str, Callable[[dict[str, Any]], Refusal]] = {
    "rate-limited": _rate_limited,
    "capacity": _capacity,
    "deadline-exceeded": _deadline_exceeded,
    "bad-gateway": _bad_gateway,
    "http-error": _http_error,
}
