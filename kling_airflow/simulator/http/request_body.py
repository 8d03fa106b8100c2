"""The body of a call: read ahead of the application, and limited in size."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from kling_airflow.simulator.queue.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive


class RequestBody:
    """A `receive` that can be read ahead.

    :param receive: uvicorn's `receive`.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ahead: list[Message] = []
        self._gone = False
        self.bytes_per_second: float | None = None
        """How fast the body is read; None is as fast as it comes."""

    async def __call__(self) -> Message:
        """Return the next message; messages that were read ahead come first."""
        if self._ahead:
            return self._ahead.pop(0)
        return await self._next()

    async def read(self, limit: int) -> None:
        """Read ahead to the end of the body, or a little beyond the limit in bytes."""
        size = 0
        while size <= limit and not self._gone and not self._complete():
            message = await self._next()
            size += len(message.get("body", b""))
            self._ahead.append(message)

    async def until_gone(self) -> None:
        """Wait until the connection is closed."""
        while not self._gone:
            await self()

    def text(self) -> str:
        """Return the part of the body that was read ahead."""
        return b"".join(message.get("body", b"") for message in self._ahead).decode("utf-8", "replace")

    def model(self) -> str | None:
        """Return the model that the body names, if it is a submission."""
        try:
            content = json.loads(self.text())
        except (ValueError, RecursionError):
            return None
        model = content.get("model") if isinstance(content, dict) else None
        return model if isinstance(model, str) else None

    async def _next(self) -> Message:
        message = await self._receive()
        self._gone = self._gone or message["type"] == "http.disconnect"
        if self.bytes_per_second is not None:
            await asyncio.sleep(len(message.get("body", b"")) / self.bytes_per_second)
        return message

    def _complete(self) -> bool:
        return bool(self._ahead) and not self._ahead[-1].get("more_body", False)


async def limited_body(request: Request, limit: int) -> bytes:
    """Return a call's body.

    :param limit: bytes.
    :raises Refusal: 413 beyond the limit. No user has found the real limit.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Refusal(413, f"request body too large, the limit is {limit} bytes")
        parts.append(part)
    return b"".join(parts)
