"""Faults of the connection: refused, reset, closed, late, slow, cut off."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

import asyncio
from collections.abc import Callable

from kling_airflow.simulator.faults.call import AnswerStream, Call, CutOffBody, Send
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import ALL, PUT_UPLOAD, SUBMIT

RECEIVE_BUFFER = 16 * 1024


@register("refused", Stage.LISTENER, ())
def refused(refuse: Callable[[float], None], *, seconds: float = 1.0) -> None:
    """Nothing listens for `seconds`: connections are refused."""
    refuse(seconds)


@register("reset-unread", Stage.UNREAD, ALL, usual_call=SUBMIT)
async def reset_unread(call: Call) -> None:
    """The connection is reset before the body is read; nothing is created."""
    call.connection.reset()


@register("reset-before", Stage.BEFORE, ALL, usual_call=SUBMIT)
async def reset_before(call: Call) -> None:
    """The call is read, then the connection is reset; nothing is created."""
    call.connection.reset()


@register("late-arrival", Stage.BEFORE, ALL, usual_call=SUBMIT)
async def late_arrival(call: Call, *, seconds: float = 5.0) -> None:
    """The call is held back for `seconds` and only then handled: the client may have given up."""
    await asyncio.sleep(seconds)


@register("late-not-created", Stage.BEFORE, ALL, usual_call=SUBMIT)
async def late_not_created(call: Call, *, seconds: float = 5.0) -> None:
    """No answer for `seconds`, then a closed connection; nothing is created."""
    await asyncio.sleep(seconds)
    call.connection.close()


@register("created-late", Stage.BEFORE, (SUBMIT,))
async def created_late(call: Call, *, seconds: float = 30.0) -> None:
    """The connection is reset at once; the request is created `seconds` of the queue's clock later."""
    call.connection.reset()
    call.handled_unheard = True
    await call.clock.sleep(seconds)


@register("slow-request", Stage.UNREAD, (SUBMIT, PUT_UPLOAD), usual_call=SUBMIT)
async def slow_request(call: Call, *, bytes_per_second: float = 10_000) -> None:
    """The body of the call is read at `bytes_per_second`, as over a slow line."""
    call.request_bytes_per_second = max(1.0, bytes_per_second)
    call.connection.limit_receive_buffer(RECEIVE_BUFFER)


@register("reset-after", Stage.AFTER, ALL, usual_call=SUBMIT)
async def reset_after(call: Call) -> None:
    """The connection is reset, and the request exists."""
    if call.succeeded:
        call.connection.reset()


@register("late-answer", Stage.AFTER, ALL, usual_call=SUBMIT)
async def late_answer(call: Call, *, seconds: float = 5.0) -> None:
    """The request exists at once; the answer comes after `seconds`."""
    await asyncio.sleep(seconds)


@register("cut-off", Stage.BODY, ALL, usual_call=SUBMIT)
def cut_off(send: Send, call: Call, *, share: float = 0.5) -> AnswerStream:
    """The body ends after `share` of its Content-Length."""
    return CutOffBody(send, call, share)
