"""uvicorn on one socket. It signals when it is ready, and it can refuse connections for some seconds."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp

BACKLOG = 2048


class Listener(uvicorn.Server):
    """A server on one socket.

    :param app: what to serve.
    :param listening: the socket.
    :param on_ready: called once it accepts connections.
    """

    def __init__(self, app: ASGIApp, listening: socket.socket, on_ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            backlog=BACKLOG,
            timeout_graceful_shutdown=1,
            server_header=False,
            date_header=False,
        )
        config.load()
        config.http_protocol_class = _quiet(config.http_protocol_class)
        super().__init__(config)
        self._on_ready = on_ready
        self._listening = listening
        self._family = listening.family
        self._address = listening.getsockname()
        self._waits: list[asyncio.Task[None]] = []

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then call `on_ready`."""
        await super().startup([self._listening])
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and close the connections."""
        for wait in self._waits:
            wait.cancel()
        await super().shutdown([self._listening])

    def refuse(self, seconds: float) -> None:
        """Refuse connections for some seconds, and close the open ones.

        A second socket that does not listen is bound to the port, so that no other process can take the port.
        """
        for connection in list(self.server_state.connections):
            if isinstance(connection, asyncio.Protocol):
                connection.transport.close()
        for server in self.servers:
            server.close()
        self.servers.clear()
        self._listening.close()
        held = _bound(self._family, self._address)
        self._listening = held
        self._waits.append(asyncio.create_task(self._listen_again(held, seconds)))

    async def _listen_again(self, held: socket.socket, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.should_exit or held is not self._listening:
            return
        loop = asyncio.get_running_loop()
        protocol: Any = self.config.http_protocol_class
        server = await loop.create_server(
            lambda: protocol(config=self.config, server_state=self.server_state, app_state={}),
            sock=held,
            backlog=BACKLOG,
        )
        self.servers.append(server)


def _quiet(protocol: Any) -> Any:
    """Return a protocol that never logs calls, because URLs hold signatures."""

    class Quiet(protocol):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.access_log = False

    return Quiet


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    :param port: 0 takes a free port.
    :raises OSError: naming the address, when it is not available.
    """
    try:
        listening = _bound(socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listening


def _bound(family: int, address: Any) -> socket.socket:
    # With its protocol named, asyncio turns Nagle's algorithm off, which costs 40 ms an answer otherwise.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
