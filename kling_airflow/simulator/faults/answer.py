"""Faults in the answer to a call that was handled: its body, its headers, its bytes on the wire."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

from kling_airflow.simulator.faults.call import AnswerStream, Call, Message, RewrittenBody, Send
from kling_airflow.simulator.faults.options import Between
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import ALL, SUBMIT, WITH_KEY

JSON_CALLS = WITH_KEY
ODD_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "number": 0.5,
    "negative": -1,
    "text": "odd",
    "array": [[], {}],
    "object": {"odd": []},
}
OddType = Literal["null", "true", "number", "negative", "text", "array", "object"]
PLACEHOLDER = "\x00placeholder\x00"


@register("invalid-json", Stage.BODY, ALL, usual_call=SUBMIT)
def invalid_json(send: Send, call: Call) -> AnswerStream:
    """The answer is 2xx and no JSON."""
    return RewrittenBody(send, call, lambda body: body.rstrip(b"}]") + b',"\x00')


@register("without-request-id", Stage.BODY, (SUBMIT,))
def without_request_id(send: Send, call: Call) -> AnswerStream:
    """The answer is 200 and names no request id."""

    def rewrite(body: bytes) -> bytes:
        content = json.loads(body)
        content.pop("request_id", None)
        return json.dumps(content).encode()

    return RewrittenBody(send, call, rewrite)


@register("answer-huge-number", Stage.BODY, JSON_CALLS, usual_call=SUBMIT)
def huge_number(send: Send, call: Call, *, field: str = "created_at", digits: int = 5000) -> AnswerStream:
    """The number at `field` has so many `digits`, in the answer and in each row of a list."""
    return RewrittenBody(send, call, lambda body: _with_literal(body, field, "9" * max(1, digits)))


@register("answer-infinite-number", Stage.BODY, JSON_CALLS, usual_call=SUBMIT)
def infinite_number(send: Send, call: Call, *, field: str = "created_at") -> AnswerStream:
    """The number at `field` is `1e999`, in the answer and in each row of a list."""
    return RewrittenBody(send, call, lambda body: _with_literal(body, field, "1e999"))


@register("answer-deep-json", Stage.BODY, JSON_CALLS, usual_call=SUBMIT)
def deep_json(send: Send, call: Call, *, field: str = "outcome", depth: int = 100_000) -> AnswerStream:
    """The value at `field` is an array in an array, `depth` times; of a list in the first row only."""
    return RewrittenBody(
        send, call, lambda body: _with_literal(body, field, "[" * depth + "]" * depth, rows=1)
    )


@register("answer-odd-types", Stage.BODY, JSON_CALLS, usual_call=SUBMIT)
def odd_types(send: Send, call: Call, *, field: str = "", type: OddType = "object") -> AnswerStream:  # noqa: A002
    """The value at `field` has another JSON `type`, in each row of a list too. An empty `field` is all."""

    def rewrite(body: bytes) -> bytes:
        content = json.loads(body)
        for target in _targets(content):
            for name in list(target):
                if field in ("", name) and not (target is content and name == "requests"):
                    target[name] = ODD_VALUES[type]
        return json.dumps(content).encode()

    return RewrittenBody(send, call, rewrite)


@register("slow-headers", Stage.BODY, ALL, usual_call=SUBMIT)
def slow_headers(
    send: Send,
    call: Call,
    *,
    seconds: float = 10.0,
    interval: float = 0.5,
    then: Literal["answer", "reset"] = "answer",
) -> AnswerStream:
    """A header line comes each `interval` for `seconds`; `then` the rest of the answer, or a reset."""
    return SlowHeaders(send, call, seconds, interval, reset=then == "reset")


@register("raw-answer", Stage.BODY, ALL, usual_call=SUBMIT)
def raw_answer(
    send: Send, call: Call, *, text: str = "HTTP/1.1 999 Unknown\r\nContent-Length: 0\r\n\r\n"
) -> AnswerStream:
    """The call is handled; then `text` is the whole answer, byte for byte, and the connection is closed."""
    return RawAnswer(send, call, text.encode("latin-1", "replace"))


@register("date-skewed", Stage.BEFORE, ALL, lasting=True)
async def date_skewed(call: Call, *, seconds: Annotated[float, Between(-1e9, 1e9)] = 300.0) -> None:
    """The Date header is ahead of the queue's clock by `seconds`; negative is behind."""
    call.date_offset = seconds


@register("date-absent", Stage.BEFORE, ALL, lasting=True)
async def date_absent(call: Call) -> None:
    """The answer has no Date header."""
    call.date_offset = None


class SlowHeaders(AnswerStream):
    """Writes the status line, then header lines one by one, then the rest of the answer or a reset.

    :param seconds: for which header lines are written.
    :param interval: seconds between two header lines.
    """

    def __init__(self, send: Send, call: Call, seconds: float, interval: float, *, reset: bool) -> None:
        super().__init__(send, call)
        self._seconds, self._interval, self._reset = seconds, max(0.001, interval), reset

    async def start(self, message: Message) -> None:
        """Write the status line and the header lines."""
        connection = self.call.connection
        connection.write(b"HTTP/1.1 %d OK\r\n" % message["status"])
        for number in range(int(self._seconds / self._interval)):
            await asyncio.sleep(self._interval)
            if connection.ended:
                break
            connection.write(b"X-Slow-%d: a\r\n" % number)
        if self._reset or connection.ended:
            connection.reset()
        else:
            for name, value in message["headers"]:
                connection.write(name + b": " + value + b"\r\n")
            connection.write(b"Connection: close\r\n\r\n")

    async def body(self, data: bytes, *, more: bool) -> None:
        """Write the body."""
        if not self.call.connection.hung_up:
            self.call.connection.write(data)
            if not more:
                self.call.connection.close()


class RawAnswer(AnswerStream):
    """Writes bytes in place of the answer, then closes the connection."""

    def __init__(self, send: Send, call: Call, data: bytes) -> None:
        super().__init__(send, call)
        self._data = data

    async def start(self, message: Message) -> None:
        """Write the bytes."""
        self.call.connection.write(self._data)
        self.call.connection.close()

    async def body(self, data: bytes, *, more: bool) -> None:
        """Drop the body of the right answer."""


def _targets(content: Any) -> list[dict[str, Any]]:
    """Return the objects of an answer whose values a fault changes: the answer, and the rows of a list."""
    if not isinstance(content, dict):
        return []
    rows = content.get("requests")
    return [content, *(row for row in rows if isinstance(row, dict))] if isinstance(rows, list) else [content]


def _with_literal(body: bytes, field: str, literal: str, rows: int | None = None) -> bytes:
    """Return JSON with a literal at a field. The literal need not be one that a JSON library can write.

    :param rows: in how many rows of a list; None is all of them.
    """
    content = json.loads(body)
    targets = _targets(content)
    for target in targets[1:][:rows] or targets:
        target[field] = PLACEHOLDER
    return json.dumps(content).replace(json.dumps(PLACEHOLDER), literal).encode()
