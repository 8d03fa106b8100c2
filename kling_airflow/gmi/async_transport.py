"""Makes one call over aiohttp, within its total deadline in every phase."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from kling_airflow.errors import GMIError
from kling_airflow.gmi import network
from kling_airflow.gmi.body import CHUNK, Body, CannotDecompress, TooLarge
from kling_airflow.gmi.call import Call
from kling_airflow.gmi.exchange import RESET_ON_CLOSE, Phase
from kling_airflow.gmi.failures import lost, not_in_time, too_large


class _AsyncExchange:
    """The state of one exchange in the event loop. The total timeout of aiohttp ends it in every phase."""

    __slots__ = ("connected_phase", "phase", "transport")

    def __init__(self, call: Call) -> None:
        self.phase = Phase.PREPARE
        self.connected_phase = Phase.WAIT if call.body is None else Phase.SEND
        self.transport: asyncio.Transport | None = None

    def cut(self) -> None:
        """Close the connection without sending what it has buffered."""
        if self.transport is None:
            return
        if (connection := self.transport.get_extra_info("socket")) is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.transport.abort()


_current: ContextVar[_AsyncExchange] = ContextVar("kling_exchange")
"""The exchange that the running task makes."""


def new_session(*, connections: int, force_close: bool = False) -> aiohttp.ClientSession:
    """Return a session whose connections tell the exchange their phase.

    :param connections: how many connections are open at once, at most.
    :param force_close: whether each call has a connection of its own.
    """
    return aiohttp.ClientSession(
        connector=_Connector(
            limit=connections, force_close=force_close, ssl=network.ssl_context(), resolver=_Resolver()
        ),
        # No cookies: with the cookie of a load balancer every poll would go to one server.
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def send(
    call: Call, headers: Mapping[str, str], session: aiohttp.ClientSession, proxy: str | None
) -> tuple[int, Mapping[str, str], bytes]:
    """Make one call; return the status, the headers and the body of its response.

    :raises GMIError: the call was lost, or its response can't be read.
    """
    exchange = _AsyncExchange(call)
    token = _current.set(exchange)
    is_complete = False
    try:
        result = await _exchange(call, headers, session, proxy, exchange)
        is_complete = True
        return result
    except (GMIError, asyncio.CancelledError):
        raise
    except TooLarge:
        raise too_large(call) from None
    except CannotDecompress as error:
        raise lost(call, Phase.BODY, f"the response {error}") from None
    except TimeoutError as error:
        if isinstance(error, aiohttp.ServerTimeoutError):  # one step took too long, not the whole call
            raise lost(call, exchange.phase, "timed out") from None
        raise not_in_time(call, exchange.phase) from None
    except Exception as error:  # whatever a library raises for what a server sends
        raise lost(call, exchange.phase, _reason(error)) from None
    finally:
        if not is_complete:
            exchange.cut()
        _current.reset(token)


async def _exchange(
    call: Call,
    headers: Mapping[str, str],
    session: aiohttp.ClientSession,
    proxy: str | None,
    exchange: _AsyncExchange,
) -> tuple[int, Mapping[str, str], bytes]:
    timeouts = call.timeouts
    async with session.request(
        call.method,
        URL(call.url, encoded=True),  # quoting a presigned URL again would break its signature
        params=call.params,
        data=None if call.body is None else _Stream(call.body, exchange),
        headers=headers,
        proxy=proxy,
        timeout=aiohttp.ClientTimeout(
            total=timeouts.total, sock_connect=timeouts.connect, sock_read=timeouts.read
        ),
        allow_redirects=False,
    ) as response:
        exchange.phase = Phase.BODY
        body = Body(response.status, response.headers.get("Content-Encoding", ""), call.max_bytes)
        while not body.is_complete and (piece := await response.content.read(CHUNK)):
            body.add(piece)
        if body.is_complete:
            response.close()  # the rest of the body is not read
        return response.status, response.headers, body.content()


class _Stream(io.BytesIO):
    """A body that tells the exchange when its last piece is taken."""

    def __init__(self, body: bytes, exchange: _AsyncExchange) -> None:
        super().__init__(body)
        self._exchange = exchange
        self._length = len(body)

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next piece."""
        piece = super().read(size)
        if self.tell() >= self._length and self._exchange.phase is Phase.SEND:
            self._exchange.phase = Phase.WAIT
        return piece


class _Connector(aiohttp.TCPConnector):
    async def connect(self, *args: Any, **options: Any) -> Any:
        exchange = _current.get()
        exchange.phase = Phase.CONNECT
        connection = await super().connect(*args, **options)
        exchange.transport = connection.transport
        exchange.phase = exchange.connected_phase
        return connection


class _Resolver(AbstractResolver):
    """The usual resolver; it tells the exchange that a host is looked up."""

    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(self, *args: Any, **options: Any) -> list[ResolveResult]:
        """Return the addresses of a host."""
        exchange = _current.get()
        exchange.phase = Phase.LOOKUP
        found = await self._resolver.resolve(*args, **options)
        exchange.phase = Phase.CONNECT
        return found

    async def close(self) -> None:
        """Close the usual resolver."""
        await self._resolver.close()


def _reason(error: Exception) -> str:
    """Return the cause without the URL, which can be signed."""
    # A refused certificate has no `os_error` in aiohttp 3.11.
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        code = error.os_error.errno or 0  # aiohttp's own text is "Connect call failed"
        return os.strerror(code) if code > 0 else str(error.os_error.strerror)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return "the proxy refused the call"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientResponseError):
        return "the connection was closed, or the response is not HTTP"
    return type(error).__name__
