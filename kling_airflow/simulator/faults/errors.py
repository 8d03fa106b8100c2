"""Faults that answer with an error: rate limits, capacity, deadlines, gateways."""

from __future__ import annotations

from http import HTTPStatus

from kling_airflow.simulator.faults.call import Answer, Call
from kling_airflow.simulator.faults.options import HttpStatus
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.accounts import rate_limited_refusal
from kling_airflow.simulator.queue.calls import ALL, SUBMIT
from kling_airflow.simulator.queue.refusal import Refusal

CAPACITY = "Upstream capacity temporarily exhausted; please retry later"
DEADLINE = "context deadline exceeded"


@register("rate-limited", Stage.INSTEAD, ALL, usual_call=SUBMIT)
def rate_limited(call: Call, *, retry_after: float | None = None) -> Answer:
    """429, with a Retry-After of `retry_after` seconds if set."""
    return rate_limited_refusal(None if retry_after is None else int(retry_after))


@register("capacity", Stage.INSTEAD, (SUBMIT,))
def capacity(call: Call, *, retry_after: float | None = None) -> Answer:
    """503 `Upstream capacity temporarily exhausted`; nothing is created."""
    headers = {} if retry_after is None else {"retry-after": str(int(retry_after))}
    return Refusal(503, CAPACITY, headers=headers)


@register("deadline-exceeded", Stage.INSTEAD, (SUBMIT,))
def deadline_exceeded(call: Call) -> Answer:
    """500 `context deadline exceeded`; nothing is created."""
    return Refusal(500, DEADLINE)


@register("bad-gateway", Stage.INSTEAD, ALL, usual_call=SUBMIT)
def bad_gateway(call: Call, *, status: HttpStatus = 502) -> Answer:
    """HTML from a gateway, `status` 502 or 504; nothing is created."""
    return gateway_page(status)


@register("http-error", Stage.INSTEAD, ALL, usual_call=SUBMIT)
def http_error(call: Call, *, status: HttpStatus = 500, message: str = "internal error") -> Answer:
    """Any `status` with `message` as its error; nothing is created."""
    return Refusal(status, message)


@register("deadline-exceeded-created", Stage.AFTER, (SUBMIT,))
async def deadline_exceeded_created(call: Call) -> Answer | None:
    """500 `context deadline exceeded`, and the request exists."""
    return Refusal(500, DEADLINE) if call.succeeded else None


@register("bad-gateway-created", Stage.AFTER, ALL, usual_call=SUBMIT)
async def bad_gateway_created(call: Call, *, status: HttpStatus = 502) -> Answer | None:
    """HTML from a gateway, `status` 502 or 504, and the request exists."""
    return gateway_page(status) if call.succeeded else None


def gateway_page(status: int) -> Refusal:
    """Return the answer of a gateway: a page of HTML."""
    title = f"{status} {HTTPStatus(status).phrase}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return Refusal(status, title, body=page.encode(), headers={"content-type": "text/html"})
