"""Connections of a download: each ends at the deadline, whatever the server does, and reaches allowed hosts.

``requests`` bounds each read, not the whole: headers that drip a byte a second are never late. And a name
that was allowed may lead to a private address once it is resolved.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import requests.adapters
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions

from kling_airflow.errors import DownloadFailed

_WRAPS_IPV4 = tuple(
    ipaddress.ip_network(network)
    for network in ("64:ff9b::/96", "64:ff9b:1::/96", "::/96", "::ffff:0:0:0/96")
)
"""IPv6 networks whose last 32 bits are an IPv4 address: NAT64, IPv4-compatible, IPv4-translated."""
_ISATAP = (0x5EFE, 0x200_5EFE)
"""The middle 32 bits of an IPv6 address that ends in an IPv4 address (RFC 5214)."""


@dataclass(frozen=True)
class AddressGuard:
    """Which hosts a download may connect to; asked for the first address and for each redirect.

    :param check: raises for an address that may not be fetched.
    :param allows_private: whether the host of an address may be in a private or link-local network.
    :param todo: what the reader of an error does next if the host is meant.
    """

    check: Callable[[str], None]
    allows_private: Callable[[str], bool]
    todo: str = ""


def is_public(ip: str) -> bool:
    """Whether an IP address is one of the public internet, also if an IPv6 address only wraps it."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        isatap = int(address) >> 32 & 0xFFFFFFFF in _ISATAP
        if isatap or any(address in network for network in _WRAPS_IPV4):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
        elif address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


def check_host(
    host: str, port: int, todo: str, *, resolve: Callable[..., Any] = socket.getaddrinfo
) -> list[str]:
    """Return the IP addresses of a host, if all of them are public.

    :param todo: what the reader of the error does next.
    :raises DownloadFailed: not retryable; one is private or link-local.
    :raises OSError: the name can't be resolved.
    """
    found = list(dict.fromkeys(str(info[4][0]) for info in resolve(host, port, type=socket.SOCK_STREAM)))
    private = [ip for ip in found if not is_public(ip)]
    if private:
        raise DownloadFailed(
            f"The host {host} has the address {private[0]}, which is private or link-local; "
            "nothing was fetched.",
            retryable=False,
            todo=todo,
        )
    return found


class Watchdog:
    """Shuts connections down at the deadline, whatever they wait for; a context manager.

    :param ends: the deadline, monotonic seconds.
    """

    def __init__(self, ends: float) -> None:
        self._ends = ends
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self.expired = False

    def __enter__(self) -> Self:
        self._timer = threading.Timer(max(0.0, self._ends - time.monotonic()), self._expire)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            for watched in self._sockets:
                watched.close()
            self._sockets.clear()

    def watch(self, connection: socket.socket) -> None:
        """Watch a connection, by a copy of its descriptor: TLS takes the socket itself over."""
        with self._lock:
            copy = connection.dup()
            self._sockets.append(copy)
            if self.expired:
                _shut_down(copy)

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            for watched in self._sockets:
                _shut_down(watched)


class DownloadAdapter(requests.adapters.HTTPAdapter):
    """The transport of a download's session.

    :param watchdog: watches each new connection.
    :param guard: names the hosts that may be private; None confines nothing.
    """

    def __init__(self, watchdog: Watchdog, guard: AddressGuard | None) -> None:
        self._pools = _pool_classes(watchdog, guard)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Let new connections be ours."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Let connections to a proxy be ours."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pool_classes(watchdog: Watchdog, guard: AddressGuard | None) -> dict[str, Any]:
    def connect(self: Any, plain: Callable[[], socket.socket]) -> socket.socket:
        ips = None
        host = f"[{self.host}]" if ":" in self.host else self.host
        url = f"{'https' if isinstance(self, Secure) else 'http'}://{host}:{self.port}/"
        # Through a proxy the name is resolved there; `http_get` has looked at what can be seen from here.
        if guard is not None and self.proxy is None and not guard.allows_private(url):
            try:
                ips = check_host(self.host, self.port, guard.todo)
            except socket.gaierror as error:
                # A second look-up could find a private address, unchecked.
                raise urllib3.exceptions.NameResolutionError(self.host, self, error) from error
        connected = plain() if ips is None else _first(self, plain, ips)
        watchdog.watch(connected)
        return connected

    class Plain(urllib3.connection.HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self, super()._new_conn)

    class Secure(urllib3.connection.HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self, super()._new_conn)

    class PlainPool(urllib3.connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _first(connection: Any, plain: Callable[[], socket.socket], ips: list[str]) -> socket.socket:
    """Connect to the addresses that were checked, in turn: a second look-up could give others."""
    name = connection.host
    try:
        for at, ip in enumerate(ips):
            connection.host = ip
            try:
                return plain()
            except Exception:
                if at == len(ips) - 1:
                    raise
        raise OSError("the name has no address")
    finally:
        connection.host = name


def _shut_down(watched: socket.socket) -> None:
    with contextlib.suppress(OSError):
        watched.shutdown(socket.SHUT_RDWR)
