"""Faults between the application and the socket: what an answer goes through on its way out."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from abc import ABC, abstractmethod
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Message, Send

    from kling_airflow.simulator.faults.schedule import Fault

SLICE = 16 * 1024


class Line:
    """The connection a call came in on, and whether it has been hung up.

    :param send: uvicorn's own `send`: it knows the transport.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
        self.hung_up = False

    async def __call__(self, message: Message) -> None:
        """Send what is left to send."""
        if not self.hung_up:
            await self._send(message)

    def reset(self) -> None:
        """Reset the connection: the client reads ECONNRESET."""
        self.hung_up = True
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            with socket.socket(fileno=socket.dup(connection.fileno())) as duplicate:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """Close the connection once what was sent is out: the client reads a short body."""
        self.hung_up = True
        self._transport.close()


class Filter:
    """One thing done to an answer.

    :param send: where the answer goes on to.
    :param fault: with its options.
    :param line: the connection.
    """

    def __init__(self, send: Send, fault: Fault, line: Line) -> None:
        self.send = send
        self.options = fault.options
        self.line = line

    async def __call__(self, message: Message) -> None:
        """Handle a message of the application."""
        if message["type"] == "http.response.start":
            await self.start(message)
        elif message["type"] == "http.response.body":
            await self.body(message.get("body", b""), more=message.get("more_body", False))

    async def start(self, message: Message) -> None:
        """Handle status and headers."""
        await self.send(message)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Handle a piece of the body."""
        await self.send({"type": "http.response.body", "body": data, "more_body": more})


class Late(Filter):
    """Keeps the client waiting for the answer."""

    async def start(self, message: Message) -> None:
        """Wait, then go on."""
        await asyncio.sleep(float(self.options["seconds"]))
        await self.send(message)


class Replaced(Filter):
    """Says something else than what happened; a refusal stays what it is."""

    _said = False

    async def start(self, message: Message) -> None:
        """Replace an answer of success."""
        if message["status"] < 400:
            self._said = True
            await self.say()
        else:
            await self.send(message)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Drop the body of what was replaced."""
        if not self._said:
            await super().body(data, more=more)

    async def say(self) -> None:
        """Send the other answer."""
        raise RuntimeError("a fault says nothing")

    async def _answer(self, status: int, content_type: bytes, body: bytes) -> None:
        length = str(len(body)).encode()
        headers = [(b"content-type", content_type), (b"content-length", length)]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


class DeadlineExceeded(Replaced):
    """500, though the request exists."""

    async def say(self) -> None:
        """Send the 500."""
        await self._answer(500, b"application/json; charset=utf-8", b'{"error":"context deadline exceeded"}')


class BadGateway(Replaced):
    """A gateway's HTML, though the request exists."""

    async def say(self) -> None:
        """Send the HTML."""
        status = int(self.options["status"])
        await self._answer(status, b"text/html", gateway_page(status))


class ResetAfter(Replaced):
    """A reset, though the request exists."""

    async def say(self) -> None:
        """Reset the connection."""
        self.line.reset()


class Rewritten(Filter, ABC):
    """Changes the whole body of a success."""

    def __init__(self, send: Send, fault: Fault, line: Line) -> None:
        super().__init__(send, fault, line)
        self._start: Message | None = None
        self._parts: list[bytes] = []

    async def start(self, message: Message) -> None:
        """Keep the start until the body is known."""
        if message["status"] < 400:
            self._start = message
        else:
            await self.send(message)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Collect the body and send another."""
        if self._start is None:
            await super().body(data, more=more)
            return
        self._parts.append(data)
        if not more:
            body = self.rewrite(b"".join(self._parts))
            await self.send({**self._start, "headers": _with_length(self._start, len(body))})
            await super().body(body, more=False)

    @abstractmethod
    def rewrite(self, body: bytes) -> bytes:
        """Return the other body."""


class InvalidJson(Rewritten):
    """A body that is no JSON."""

    def rewrite(self, body: bytes) -> bytes:
        """Leave out the last brace, and say more."""
        return body.rstrip(b"}]") + b',"\x00'


class WithoutRequestId(Rewritten):
    """An acceptance that does not say of what."""

    def rewrite(self, body: bytes) -> bytes:
        """Leave out the id."""
        content = json.loads(body)
        content.pop("request_id", None)
        return json.dumps(content).encode()


class CutOff(Filter):
    """A body shorter than its Content-Length."""

    _left = 0

    async def start(self, message: Message) -> None:
        """Note how much may pass."""
        self._left = int(_length(message) * min(1.0, float(self.options["share"])))
        await self.send(message)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Pass the first part, then close the connection."""
        part = data[: self._left]
        self._left -= len(part)
        if part:
            await super().body(part, more=True)
        if self._left <= 0:
            self.line.close()


class Short(Filter):
    """A Content-Length that is a lie: the answer looks whole."""

    _left = 0

    async def start(self, message: Message) -> None:
        """Announce less than there is."""
        self._left = int(_length(message) * min(1.0, float(self.options["share"])))
        await self.send({**message, "headers": _with_length(message, self._left)})

    async def body(self, data: bytes, *, more: bool) -> None:
        """Pass what was announced."""
        part = data[: self._left]
        self._left -= len(part)
        if part or not more:
            await super().body(part, more=more)


class Corrupt(Filter):
    """Other bytes than the file's, as many."""

    async def body(self, data: bytes, *, more: bool) -> None:
        """Turn every bit."""
        await super().body(data.translate(_TURNED), more=more)


class Slow(Filter):
    """A body that takes its time."""

    async def body(self, data: bytes, *, more: bool) -> None:
        """Pass the body slice by slice."""
        pace = max(1.0, float(self.options["bytes_per_second"]))
        step = max(1, min(SLICE, int(pace / 10)))
        for at in range(0, len(data), step):
            if self.line.hung_up:
                return
            part = data[at : at + step]
            await asyncio.sleep(len(part) / pace)
            await super().body(part, more=True)
        if not more:
            await super().body(b"", more=False)


FILTERS: dict[str, Callable[[Any, Fault, Line], Filter]] = {
    "late-answer": Late,
    "deadline-exceeded-created": DeadlineExceeded,
    "bad-gateway-created": BadGateway,
    "reset-after": ResetAfter,
    "cut-off": CutOff,
    "invalid-json": InvalidJson,
    "without-request-id": WithoutRequestId,
    "media-slow": Slow,
    "media-cut-off": CutOff,
    "media-short": Short,
    "media-corrupt": Corrupt,
}
_TURNED = bytes(255 - value for value in range(256))


def gateway_page(status: int) -> bytes:
    """Return what a gateway says: HTML."""
    title = f"{status} {HTTPStatus(status).phrase}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return page.encode()


def _length(message: Message) -> int:
    return int(dict(message["headers"]).get(b"content-length", b"0"))


def _with_length(message: Message, length: int) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in message["headers"] if name != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]
