"""Faults of the connection: refused, reset, closed, late, cut off."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

import asyncio
from collections.abc import Callable

from kling_airflow.simulator.faults.call import AnswerStream, Call, CutOffBody, Send
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import ALL, SUBMIT


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
