"""Both clients use the proxies and certificates of the environment."""

from __future__ import annotations

import json
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme

from kling_airflow.errors import NotAccepted
from kling_airflow.gmi import network
from kling_airflow.simulator import Simulator
from tests.gmi.clients import AsyncFace, SyncFace
from tests.gmi.proxy import proxy
from tests.gmi.scripted import Scripted, answer, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

RECORD = json.dumps({"request_id": "a", "status": "queued"})
CA_VARIABLES = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
both = pytest.mark.parametrize("face", [SyncFace, AsyncFace], ids=["requests", "aiohttp"])


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*CA_VARIABLES, "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@both
def test_a_submission_and_a_wait_go_through_the_proxy(
    face: type[SyncFace], monkeypatch: pytest.MonkeyPatch
) -> None:
    host = "only-the-proxy-knows.example"
    with (
        Simulator(speed=600, render="fast", allowed_hosts=[host]) as simulator,
        proxy() as (url, passed),
    ):
        monkeypatch.setenv("http_proxy", url)
        port = simulator.base_url.rpartition(":")[2]
        queue = face(f"http://{host}:{port}", simulator.api_key)
        image = queue.call("upload", _frame(), "jpeg")
        del passed[:]
        request = queue.call("submit", "kling-v3-image-to-video", {"prompt": "x", "image": image})
        assert queue.call("get", request.request_id).request_id == request.request_id
    assert [line.partition(" ")[0] for line in passed] == ["POST", "GET"]


@both
def test_no_proxy_is_honored(face: type[SyncFace], monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answer(200, RECORD)) as server, proxy() as (url, passed):
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("no_proxy", "127.0.0.0/8")
        face(server.url).call("get", "a")
    assert passed == []


@both
def test_a_dead_proxy_means_never_sent(face: type[SyncFace], monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy() as (url, _):
        pass
    monkeypatch.setenv("http_proxy", url)
    with pytest.raises(NotAccepted):
        face("http://queue.example").call("submit", "m", {})


@both
@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_certificates_of_the_environment_are_trusted(
    face: type[SyncFace], variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    with _tls(authority) as server:
        with pytest.raises(NotAccepted, match=r"(?i)certificate"):
            face(server.url.replace("http:", "https:")).call("submit", "m", {})
        monkeypatch.setenv(variable, str(bundle))
        assert face(server.url.replace("http:", "https:")).call("get", "a").request_id == "a"


def test_a_folder_of_certificates_makes_a_context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path))
    assert network.ssl_context().verify_mode is ssl.CERT_REQUIRED


def test_without_a_variable_the_certificates_are_those_of_certifi() -> None:
    import certifi

    assert network.ca_bundle() == certifi.where()


def _frame() -> bytes:
    from importlib.resources import files

    return (files("kling_airflow.demo") / "frames" / "rocket.jpg").read_bytes()


def _tls(authority: trustme.CA) -> AbstractContextManager[Scripted]:
    """Serve the record over TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    @contextmanager
    def serve() -> Iterator[Scripted]:
        import http.server
        import threading

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = RECORD.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            server.handle_error = lambda *_: None  # type: ignore[method-assign]
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield Scripted(server.server_address[1])
            server.shutdown()

    return serve()
