"""One file over real HTTP, with the faults a download meets."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Answer = Callable[[http.server.BaseHTTPRequestHandler, "FileServer"], None]


@dataclass
class FileServer:
    """Serves ``data`` at every path, ranges included; ``faults`` are answered first, one a request."""

    data: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    faults: list[Answer] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""
    answer_put: Answer | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def running(self) -> Iterator[FileServer]:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with outer.lock:
                    outer.requests.append({name.lower(): value for name, value in self.headers.items()})
                    outer.paths.append(self.path)
                    fault = outer.faults.pop(0) if outer.faults else serve
                fault(self, outer)

            def do_PUT(self) -> None:
                assert outer.answer_put is not None
                outer.answer_put(self, outer)

            def log_message(self, *args: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.daemon_threads = True
            self.url = f"http://127.0.0.1:{server.server_port}/clip.mp4"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


def serve(
    handler: http.server.BaseHTTPRequestHandler,
    server: FileServer,
    *,
    cut_after: int | None = None,
    extra: dict[str, str] | None = None,
    ignore_range: bool = False,
    without_length: bool = False,
) -> None:
    """Answer as a good server does, or send only so many bytes of the body and hang up."""
    first, status = 0, 200
    asked = handler.headers.get("Range")
    if asked and not ignore_range and handler.headers.get("If-Range") in (server.etag, server.last_modified):
        first, status = int(asked.removeprefix("bytes=").removesuffix("-")), 206
    body = server.data[first:]
    handler.send_response(status)
    headers = {"ETag": server.etag, "Last-Modified": server.last_modified}
    if status == 206:
        headers["Content-Range"] = f"bytes {first}-{len(server.data) - 1}/{len(server.data)}"
    if not without_length:
        headers["Content-Length"] = str(len(body))
    for name, value in (headers | (extra or {})).items():
        if value is not None:
            handler.send_header(name, value)
    if without_length:
        handler.send_header("Connection", "close")
    handler.end_headers()
    handler.wfile.write(body if cut_after is None else body[:cut_after])
    if cut_after is not None or without_length:
        handler.close_connection = True


def cut(after: int, **options: object) -> Answer:
    """Hang up after so many bytes."""
    return lambda handler, server: serve(handler, server, cut_after=after, **options)


def status(code: int, **headers: str) -> Answer:
    """Answer a status without a body."""

    def answer(handler: http.server.BaseHTTPRequestHandler, server: FileServer) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hang_up(handler: http.server.BaseHTTPRequestHandler, server: FileServer) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.close()
