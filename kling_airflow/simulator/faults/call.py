"""One HTTP call as a fault sees it: its connection, and the answer on its way out."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.responses import Response

from kling_airflow.simulator.clock import Clock
from kling_airflow.simulator.queue.refusal import Refusal

Message: TypeAlias = MutableMapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Answer: TypeAlias = Refusal | Response


class Connection:
    """The connection a call came in on.

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

    def limit_receive_buffer(self, size: int) -> None:
        """Make the kernel hold back the client after about `size` bytes that were not read yet."""
        connection = self._transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    @property
    def ended(self) -> bool:
        """Whether the connection was closed, by the client or here."""
        return self.hung_up or self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Write bytes past the HTTP server; the caller closes or resets the connection afterwards."""
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection once what was sent is out: the client reads a short body."""
        self.hung_up = True
        self._transport.close()


@dataclass(slots=True)
class Call:
    """One call.

    :param clock: the simulator's clock.
    :param status: the status code of the answer, once the call was handled.
    """

    connection: Connection
    clock: Clock
    status: int | None = None
    handled_unheard: bool = False
    """Whether the call is handled although its connection has ended."""
    request_bytes_per_second: float | None = None
    """How fast the body of the call is read; None is as fast as it comes."""
    date_offset: float | None = 0.0
    """How far the Date header is ahead of the clock, in seconds; None sends no Date header."""

    @property
    def succeeded(self) -> bool:
        """Whether the call was handled and not refused."""
        return self.status is not None and self.status < 400


class AnswerStream:
    """What an answer passes through on its way out; a subclass changes some of it.

    :param send: where the answer goes on to.
    """

    def __init__(self, send: Send, call: Call) -> None:
        self.send = send
        self.call = call

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


class RewrittenBody(AnswerStream):
    """Replaces the whole body of an answer that is no refusal.

    :param rewrite: makes the new body of the old one.
    """

    def __init__(self, send: Send, call: Call, rewrite: Callable[[bytes], bytes]) -> None:
        super().__init__(send, call)
        self._rewrite = rewrite
        self._start: Message | None = None
        self._parts: list[bytes] = []

    async def start(self, message: Message) -> None:
        """Keep the start until the body is known."""
        if message["status"] < 400:
            self._start = message
        else:
            await self.send(message)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Collect the body and send the new one."""
        if self._start is None:
            await super().body(data, more=more)
            return
        self._parts.append(data)
        if not more:
            body = self._rewrite(b"".join(self._parts))
            await self.send({**self._start, "headers": with_length(self._start, len(body))})
            await super().body(body, more=False)


class CutOffBody(AnswerStream):
    """Closes the connection before the Content-Length is reached.

    :param share: of the body that is sent, 0 to 1.
    """

    def __init__(self, send: Send, call: Call, share: float) -> None:
        super().__init__(send, call)
        self._share = share
        self._left = 0

    async def start(self, message: Message) -> None:
        """Note how much may pass."""
        self._left = int(length_of(message) * min(1.0, self._share))
        await self.send(message)

    async def body(self, data: bytes, *, more: bool) -> None:
        """Pass the first part, then close the connection."""
        part = data[: self._left]
        self._left -= len(part)
        if part:
            await super().body(part, more=True)
        if self._left <= 0:
            self.call.connection.close()


def length_of(message: Message) -> int:
    """Return the Content-Length of an answer's start, in bytes."""
    return int(dict(message["headers"]).get(b"content-length", b"0"))


def with_length(message: Message, length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer's start with another Content-Length."""
    kept = [(name, value) for name, value in message["headers"] if name != b"content-length"]
    return [*kept, (b"content-length", str(length).encode())]
