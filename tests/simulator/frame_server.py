"""A web server with frames, as a user's own server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.simulator.client import picture


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/frame.png":
            self._answer(200, "image/png", picture(kind="PNG"))
        elif self.path == "/page.html":
            self._answer(200, "text/html", b"<html>no image</html>")
        elif self.path == "/secret.png":
            self._answer(403, "text/plain", b"forbidden")
        elif self.path == "/endless-redirect":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._answer(404, "text/plain", b"not found")

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving() -> Iterator[str]:
    """The server's address, while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
