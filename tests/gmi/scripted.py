"""A server that responds to each call as a test scripts it, over real HTTP."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Step = Callable[[socket.socket], None]


@dataclass
class Scripted:
    """A listening server; ``requests`` holds the raw head and body of every call that it received."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def answer(status: int, body: bytes | str = b"", **headers: str) -> Step:
    """Return a step that sends a whole response and closes the connection."""
    raw = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": "application/json", "Content-Length": str(len(raw)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}

    def step(connection: socket.socket) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        with suppress(OSError):  # the client may have read enough
            connection.sendall(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + raw)

    return step


def reset(connection: socket.socket) -> None:
    """Read the request, then reset the connection without a response."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def trickle(connection: socket.socket) -> None:
    """Send a response without end, one byte at a time, so that no single read times out."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    try:
        while True:
            connection.sendall(b" ")
            threading.Event().wait(0.05)
    except OSError:
        return


def drip(start: bytes, piece: bytes = b"x", *, interval: float = 0.05) -> Step:
    """Return a step that sends a beginning, then a piece at each interval, without end."""

    def step(connection: socket.socket) -> None:
        try:
            connection.sendall(start)
            while not threading.Event().wait(interval):
                connection.sendall(piece)
        except OSError:
            return

    return step


def raw(data: bytes) -> Step:
    """Return a step that sends these bytes and closes the connection."""

    def step(connection: socket.socket) -> None:
        with suppress(OSError):
            connection.sendall(data)

    return step


@contextmanager
def unread(
    handle: Step = lambda connection: None, *, receive_buffer: int | None = None
) -> Iterator[Scripted]:
    """Accept each connection, keep it open, and let `handle` do the rest; ``requests`` has a b"" for each."""
    opened: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        server = Scripted(listener.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                opened.append(connection)
                server.requests.append(b"")
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
    for connection in opened:
        connection.close()


@contextmanager
def scripted(*steps: Step) -> Iterator[Scripted]:
    """Serve the steps in order, one for each connection; the last one is repeated."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Scripted(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, server, steps), daemon=True)
        thread.start()
        yield server
        # Closing a socket does not wake accept(), so a last connection is made.
        listener.settimeout(0.01)
        socket.create_connection(("127.0.0.1", server.port)).close()
    thread.join(5)


def _serve(listener: socket.socket, server: Scripted, steps: tuple[Step, ...]) -> None:
    while len(server.requests) < 1000:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            request = _read(connection)
            if not request:
                continue
            server.requests.append(request)
            steps[min(len(server.requests), len(steps)) - 1](connection)
    raise AssertionError("1000 calls: the client never stops")


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        chunk = connection.recv(65536)
        if not chunk:
            break
        body += chunk
    return head + b"\r\n\r\n" + body
