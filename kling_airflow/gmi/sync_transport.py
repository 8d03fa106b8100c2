"""Makes one call over requests, within its total deadline in every phase."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import requests.adapters
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions

from kling_airflow.errors import GMIError
from kling_airflow.gmi import network
from kling_airflow.gmi.body import CHUNK, Body, CannotDecompress, TooLarge
from kling_airflow.gmi.call import Call
from kling_airflow.gmi.exchange import DeadlinePassed, Exchange, Phase, within
from kling_airflow.gmi.failures import lost, not_in_time, too_large

_current = threading.local()
"""The exchange that the running thread makes."""


def new_session() -> requests.Session:
    """Return a session whose connections tell the exchange their phase."""
    session = _Session()
    session.verify = network.ca_bundle()
    # With the cookie of a load balancer every call would go to one server.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for prefix in ("http://", "https://"):
        session.mount(prefix, _Adapter(max_retries=0))
    return session


def send(
    call: Call, headers: Mapping[str, str], session: requests.Session
) -> tuple[int, Mapping[str, str], bytes]:
    """Make one call; return the status, the headers and the body of its response.

    :raises GMIError: the call was lost, or its response can't be read.
    """
    exchange = Exchange()

    def make() -> tuple[int, Mapping[str, str], bytes]:
        _current.exchange = exchange
        return _exchange(call, headers, session)

    try:
        return within(call.timeouts.total, exchange, make)
    except DeadlinePassed as error:
        raise not_in_time(call, error.phase) from None
    except TooLarge:
        raise too_large(call) from None
    except GMIError:
        raise
    except CannotDecompress as error:
        raise lost(call, Phase.BODY, f"the response {error}") from None
    except Exception as error:  # whatever a library raises for what a server sends
        raise lost(call, exchange.phase, _reason(error)) from None


def _exchange(
    call: Call, headers: Mapping[str, str], session: requests.Session
) -> tuple[int, Mapping[str, str], bytes]:
    with session.request(
        call.method,
        call.url,
        params=call.params,
        # As a stream: a body that is passed as bytes must be sent within one socket timeout.
        data=None if call.body is None else io.BytesIO(call.body),
        headers=dict(headers),
        auth=_keep_headers,
        timeout=(call.timeouts.connect, min(call.timeouts.read, call.timeouts.total)),
        allow_redirects=False,
        stream=True,
    ) as response:
        body = Body(response.status_code, response.headers.get("Content-Encoding", ""), call.max_bytes)
        # `read1` returns what has arrived; `iter_content` would wait for whole chunks.
        while not body.is_complete and (piece := response.raw.read1(CHUNK, decode_content=False)):
            body.add(piece)
        return response.status_code, response.headers, body.content()


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return None: requests reads the whole body of a redirect, even of one that it does not follow."""
        return None


class _Adapter(requests.adapters.HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if proxy.lower().startswith("socks"):
            # Its connections do not tell their phase, so the call counts as sent from here on.
            _exchange_of_thread().enter(Phase.SEND)
        else:
            manager.pool_classes_by_scheme = _POOLS
        return manager


class _PhasesMixin:
    """Tells the exchange of the thread which phase a connection is in."""

    def _new_conn(self: Any) -> socket.socket:
        exchange = _exchange_of_thread()
        exchange.enter(Phase.LOOKUP)
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise urllib3.exceptions.NameResolutionError(self.host, self, error) from error
        exchange.enter(Phase.CONNECT)
        connection: socket.socket = self._connect_to(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        exchange.watch(connection)
        exchange.enter(Phase.SECURE)
        return connection

    def _connect_to(self: Any, addresses: list[str]) -> socket.socket:
        name, failure = self._dns_host, urllib3.exceptions.HTTPError("the name has no address")
        try:
            for address in addresses:
                self._dns_host = address
                try:
                    connection: socket.socket = super()._new_conn()  # type: ignore[misc]
                    return connection
                except urllib3.exceptions.HTTPError as error:
                    failure = error
            raise failure
        finally:
            self._dns_host = name

    def _tunnel(self: Any) -> None:
        self._is_tunnelling = True
        try:
            super()._tunnel()  # type: ignore[misc]
        finally:
            self._is_tunnelling = False

    def send(self: Any, data: Any) -> None:
        if self.sock is None:
            self.connect()
        if not getattr(self, "_is_tunnelling", False):
            exchange = _exchange_of_thread()
            exchange.watch(self.sock)
            exchange.enter(Phase.SEND)
        super().send(data)  # type: ignore[misc]

    def getresponse(self: Any) -> Any:
        _exchange_of_thread().enter(Phase.WAIT)
        response = super().getresponse()  # type: ignore[misc]
        _exchange_of_thread().enter(Phase.BODY)
        return response


class _Plain(_PhasesMixin, urllib3.connection.HTTPConnection):
    pass


class _Secure(_PhasesMixin, urllib3.connection.HTTPSConnection):
    pass


class _PlainPool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _Secure


_POOLS: dict[str, Any] = {"http": _PlainPool, "https": _SecurePool}


def _exchange_of_thread() -> Exchange:
    exchange: Exchange = _current.exchange
    return exchange


def _keep_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from replacing our Authorization with an entry of ``.netrc``."""
    return request


def _reason(error: Exception) -> str:
    """Return the text of the innermost cause. The outer texts quote URLs, which can be signed."""
    for cause in reversed(_causes(error)):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    for kind, text in _TEXTS.items():
        if any(isinstance(cause, kind) for cause in _causes(error)):
            return text
    return type(error).__name__


_TEXTS: dict[type[Exception], str] = {
    urllib3.exceptions.ProtocolError: "the connection was closed, or the response is not HTTP",
    TimeoutError: "timed out",
    urllib3.exceptions.TimeoutError: "timed out",
    urllib3.exceptions.ProxyError: "the proxy refused the call",
    requests.exceptions.InvalidURL: "the address is malformed",
}


def _causes(error: BaseException) -> list[BaseException]:
    """Return an error and everything it wraps; urllib3 hides causes in ``reason`` and in ``args``."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        cause = queue.pop(0)
        if not isinstance(cause, BaseException) or cause in found:
            continue
        found.append(cause)
        queue += [getattr(cause, "reason", None), cause.__cause__, cause.__context__, *cause.args]
    return found
