"""The queue's calls over aiohttp, for the triggerer: the same protocol, another transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self, TypeVar

import aiohttp
from tenacity import AsyncRetrying
from yarl import URL

from kling_airflow.errors import GMIError
from kling_airflow.gmi import network
from kling_airflow.gmi.call import Call
from kling_airflow.gmi.protocol import PAGE_SIZE, Protocol
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.response import Lost, Response, lost, read_json, refusal, too_large
from kling_airflow.gmi.retries import Retries

T = TypeVar("T")

_CHUNK = 64 * 1024
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ClientHttpProxyError)


class AsyncGMIClient:
    """A client of the request queue for an event loop; use it as an async context manager.

    The calls, their arguments and their errors are those of :class:`~kling_airflow.gmi.client.GMIClient`.

    :param api_key: the key.
    :param base_url: the service; the real one by default.
    :param organization_id: for a key of several organizations.
    :param retries: how calls that change nothing are repeated.
    :param connections: how many connections are open at once.
    """

    def __init__(
        self,
        api_key: str,
        base_url: str | None = None,
        organization_id: str | None = None,
        *,
        retries: Retries | None = None,
        connections: int = 8,
    ) -> None:
        self.protocol = Protocol(api_key, base_url, organization_id)
        self.retries = retries or Retries()
        self._connections = connections
        self._kept: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the kept connections."""
        if self._kept is not None:
            await self._kept.close()
            self._kept = None

    async def send(self, call: Call) -> Response:
        """Make one call, once, and return what came back; reading it is the caller's."""
        return await self._send(call, self._session)

    async def submit(self, model: str, payload: Mapping[str, Any]) -> Request:
        """Send one submission, once, and return the new request."""
        call = self.protocol.submit(model, payload)
        async with _session(connections=1, force_close=True) as session:
            return self.protocol.read_submit(call, await self._send(call, session))

    async def get(self, request_id: str) -> Request:
        """Return a request as it stands."""
        return await self._ask(self.protocol.get(request_id), self.protocol.read_get)

    async def list_page(self, model: str, *, limit: int = PAGE_SIZE, offset: int = 0) -> Page:
        """Return one page of a model's requests, newest first."""
        return await self._ask(
            self.protocol.list_page(model, limit=limit, offset=offset), self.protocol.read_list_page
        )

    async def list_requests(self, model: str, *, limit: int = PAGE_SIZE) -> AsyncIterator[Request]:
        """Yield a model's requests, newest first, each once, page by page as they are asked for."""
        seen: set[str] = set()
        offset = 0
        while True:
            page = await self.list_page(model, limit=limit, offset=offset)
            for request in page.requests:
                if request.request_id not in seen:
                    seen.add(request.request_id)
                    yield request
            offset += page.rows
            if not page.continues(offset, limit):
                return

    async def cancel(self, request_id: str) -> bool:
        """Ask the queue to cancel a request; return whether it said yes. Never an error."""
        try:
            answer = await self._send(self.protocol.cancel(request_id), self._session)
        except GMIError:
            return False
        return 200 <= answer.status < 300

    async def check(self) -> None:
        """Ask whether the queue takes this key."""
        await self._ask(self.protocol.check(), read_json)

    async def models(self) -> list[str]:
        """Return the ids of the models in the catalog."""
        return await self._ask(self.protocol.models(), self.protocol.read_models)

    async def model(self, model: str) -> dict[str, Any]:
        """Return the catalog's description of a model: parameters and price."""
        return await self._ask(self.protocol.model(model), self.protocol.read_model)

    async def upload(self, data: bytes, file_type: str) -> str:
        """Store a frame with the queue and return its public URL, unique per upload."""
        call = self.protocol.upload_url(file_type)

        async def store() -> str:
            upload = self.protocol.read_upload_url(call, await self._send(call, self._session))
            put = self.protocol.put(upload, file_type, data)
            answer = await self._send(put, self._session)
            if not 200 <= answer.status < 300:
                raise refusal(put, answer)
            return upload.public_url

        return await AsyncRetrying(**self.retries.settings())(store)

    async def _ask(self, call: Call, read: Callable[[Call, Response], T]) -> T:
        async def once() -> T:
            return read(call, await self._send(call, self._session))

        return await AsyncRetrying(**self.retries.settings())(once)

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._kept is None:
            self._kept = _session(connections=self._connections)
        return self._kept

    def _proxy(self, url: str) -> str | None:
        """Ask the environment once for each server: a poll asks the same one all day."""
        server = "/".join(url.split("/", 3)[:3])
        if server not in self._proxies:
            self._proxies[server] = network.proxy_for(url)
        return self._proxies[server]

    async def _send(self, call: Call, session: aiohttp.ClientSession) -> Response:
        timeouts = call.timeouts
        try:
            async with session.request(
                call.method,
                URL(call.url, encoded=True),  # a presigned URL breaks when it is quoted anew
                params=call.params,
                data=call.body,
                headers=self.protocol.headers(call),
                proxy=self._proxy(call.url),
                timeout=aiohttp.ClientTimeout(
                    total=timeouts.total, sock_connect=timeouts.connect, sock_read=timeouts.read
                ),
                allow_redirects=False,
            ) as response:
                body = await _read(call, response)
                return self.protocol.answer(response.status, response.headers, body)
        except (aiohttp.ClientError, OSError) as error:
            raise lost(call, _how(error), _why(error)) from None


def _session(*, connections: int, force_close: bool = False) -> aiohttp.ClientSession:
    # No cookies: a load balancer's would pin every poll to one of its servers.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, force_close=force_close, ssl=network.ssl_context()),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def _read(call: Call, response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > call.max_bytes:
            raise too_large(call)
    return bytes(body)


def _how(error: Exception) -> Lost:
    return Lost.BEFORE_SENDING if isinstance(error, _NEVER_SENT) else Lost.AFTER_SENDING


def _why(error: Exception) -> str:
    """Name the cause without the URL, which can be signed."""
    if isinstance(error, asyncio.TimeoutError):
        return "timed out"
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
