"""A client of the request queue over aiohttp, for the triggerer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tenacity import AsyncRetrying

from kling_airflow.errors import GMIError
from kling_airflow.gmi import network
from kling_airflow.gmi.async_transport import new_session, send
from kling_airflow.gmi.call import Call
from kling_airflow.gmi.failures import read_json, refusal
from kling_airflow.gmi.protocol import PAGE_SIZE, Protocol
from kling_airflow.gmi.request import Page, Request
from kling_airflow.gmi.response import Response
from kling_airflow.gmi.retries import Retries

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")


class AsyncGMIClient:
    """A client of the request queue for an event loop; use it as an async context manager.

    The calls, their arguments and their errors are those of :class:`~kling_airflow.gmi.client.GMIClient`.

    :param api_key: the key.
    :param base_url: address of the service; by default that of GMI Cloud.
    :param organization_id: for a key of several organizations.
    :param retries: how calls that change nothing are repeated.
    :param connections: how many connections are open at once, at most.
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
        self._open_session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the open connections."""
        if self._open_session is not None:
            await self._open_session.close()
            self._open_session = None

    @property
    def closed(self) -> bool:
        """Whether no connection is open."""
        return self._open_session is None

    async def send(self, call: Call) -> Response:
        """Make one call, once, and return the response unread."""
        return await self._send(call, self._session)

    async def submit(self, model: str, payload: Mapping[str, Any]) -> Request:
        """Send one submission, once, and return the new request."""
        call = self.protocol.submit(model, payload)
        async with new_session(connections=1, force_close=True) as session:
            return self.protocol.read_submit(call, await self._send(call, session))

    async def get(self, request_id: str) -> Request:
        """Return a request in its current state."""
        return await self._read_with_retries(self.protocol.get(request_id), self.protocol.read_get)

    async def list_page(self, model: str, *, limit: int = PAGE_SIZE, offset: int = 0) -> Page:
        """Return one page of a model's requests, newest first."""
        return await self._read_with_retries(
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
        """Ask the queue to cancel a request; return whether the queue agreed. A failure is never an error."""
        try:
            response = await self._send(self.protocol.cancel(request_id), self._session)
        except GMIError:
            return False
        return 200 <= response.status < 300

    async def check(self) -> None:
        """Ask whether the queue accepts this key."""
        await self._read_with_retries(self.protocol.check(), read_json)

    async def models(self) -> list[str]:
        """Return the ids of the models in the catalog."""
        return await self._read_with_retries(self.protocol.models(), self.protocol.read_models)

    async def model(self, model: str) -> dict[str, Any]:
        """Return the catalog's description of a model: parameters and price."""
        return await self._read_with_retries(self.protocol.model(model), self.protocol.read_model)

    async def upload(self, data: bytes, file_type: str) -> str:
        """Store a frame with the queue and return its public URL, unique per upload."""
        call = self.protocol.upload_url(file_type)

        async def store() -> str:
            upload = self.protocol.read_upload_url(call, await self._send(call, self._session))
            put = self.protocol.put(upload, file_type, data)
            response = await self._send(put, self._session)
            if not 200 <= response.status < 300:
                raise refusal(put, response)
            return upload.public_url

        return await AsyncRetrying(**self.retries.settings())(store)

    async def _read_with_retries(self, call: Call, read: Callable[[Call, Response], T]) -> T:
        async def once() -> T:
            return read(call, await self._send(call, self._session))

        return await AsyncRetrying(**self.retries.settings())(once)

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._open_session is None:
            self._open_session = new_session(connections=self._connections)
        return self._open_session

    def _proxy(self, url: str) -> str | None:
        """Return the proxy for a URL; the environment is read once for each server."""
        server = "/".join(url.split("/", 3)[:3])
        if server not in self._proxies:
            self._proxies[server] = network.proxy_for(url)
        return self._proxies[server]

    async def _send(self, call: Call, session: aiohttp.ClientSession) -> Response:
        sent = self.protocol.headers(call)
        status, headers, body = await send(call, sent, session, self._proxy(call.url))
        return self.protocol.response(status, headers, body)
