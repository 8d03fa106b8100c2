"""A forward proxy that records its request lines: absolute-form requests and CONNECT tunnels."""

from __future__ import annotations

import socket
import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.passed: list[str] = []


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            chunk = self.request.recv(65536)
            if not chunk:
                return
            head += chunk
        line = head.split(b"\r\n", 1)[0].decode()
        assert isinstance(self.server, _Proxy)
        self.server.passed.append(line)
        method, target, _ = line.split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        # Every name stands for this machine, so only the proxy can reach the test's server by name.
        with socket.create_connection(("127.0.0.1", parts.port or 80)) as upstream:
            if method == "CONNECT":
                self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                upstream.sendall(_for_the_server(head, target, parts.netloc))
            back = threading.Thread(target=_pump, args=(upstream, self.request), daemon=True)
            back.start()
            _pump(self.request, upstream)
            back.join(5)


def _for_the_server(head: bytes, target: str, host: str) -> bytes:
    """Return a request as proxies hand it on: with the path alone (RFC 9112, 3.2.1).

    The server is asked to close the connection, because only a connection's first request is read here.
    """
    path = target.partition(host)[2] or "/"
    first, *lines = head.replace(target.encode(), path.encode(), 1).split(b"\r\n")
    end = lines.index(b"")
    kept = [line for line in lines[:end] if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([first, *kept, b"Connection: close", *lines[end:]])


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """Run a proxy; yield its URL and the request lines that it received."""
    with _Proxy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", server.passed
        server.shutdown()
