"""Faults that answer with an error or a redirect: rate limits, capacity, deadlines, gateways."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Annotated

from starlette.responses import StreamingResponse

from kling_airflow.simulator.faults.call import Answer, Call
from kling_airflow.simulator.faults.options import Between, HttpStatus
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.accounts import rate_limited_refusal
from kling_airflow.simulator.queue.calls import ALL, SUBMIT
from kling_airflow.simulator.queue.refusal import Refusal

CHUNK = 1 << 16
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


@register("redirect", Stage.INSTEAD, ALL, usual_call=SUBMIT)
def redirect(
    call: Call,
    *,
    status: Annotated[int, Between(300, 399)] = 302,
    location: str = "/elsewhere",
    body_bytes: int = 0,
    compressed: bool = False,
    bytes_per_second: float | None = None,
) -> Answer:
    """Redirect to `location` (empty: no such header); nothing is created.

    The answer has `body_bytes` of body, as gzip if `compressed`, at `bytes_per_second` if set.
    """
    headers = {"location": location} if location else {}
    if compressed:
        return StreamingResponse(
            _zeros_compressed(body_bytes), status, headers | {"content-encoding": "gzip"}
        )
    headers |= {"content-length": str(body_bytes)}
    return StreamingResponse(_zeros(body_bytes, bytes_per_second), status, headers)


@register("deadline-exceeded-created", Stage.AFTER, (SUBMIT,))
async def deadline_exceeded_created(call: Call) -> Answer | None:
    """500 `context deadline exceeded`, and the request exists."""
    return Refusal(500, DEADLINE) if call.succeeded else None


@register("bad-gateway-created", Stage.AFTER, ALL, usual_call=SUBMIT)
async def bad_gateway_created(call: Call, *, status: HttpStatus = 502) -> Answer | None:
    """HTML from a gateway, `status` 502 or 504, and the request exists."""
    return gateway_page(status) if call.succeeded else None


async def _zeros(count: int, bytes_per_second: float | None) -> AsyncIterator[bytes]:
    """Yield so many bytes, all at once or so many a second."""
    step = CHUNK if bytes_per_second is None else max(1, min(CHUNK, int(bytes_per_second / 10)))
    for at in range(0, count, step):
        part = bytes(min(step, count - at))
        if bytes_per_second is not None:
            await asyncio.sleep(len(part) / bytes_per_second)
        yield part


def _zeros_compressed(count: int) -> Iterator[bytes]:
    """Yield the gzip of so many bytes; the server calls it in a thread."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    for at in range(0, count, CHUNK):
        yield compressor.compress(bytes(min(CHUNK, count - at)))
    yield compressor.flush()


def gateway_page(status: int) -> Refusal:
    """Return the answer of a gateway: a page of HTML."""
    title = f"{status} {HTTPStatus(status).phrase}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return Refusal(status, title, body=page.encode(), headers={"content-type": "text/html"})
