"""The total deadline of a call holds in every phase, over both transports, and the error says the phase."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme

from kling_airflow.errors import AmbiguousSubmission, GMIError, NotAccepted, Unreachable
from kling_airflow.gmi.call import Call, Timeouts
from kling_airflow.gmi.exchange import Phase
from kling_airflow.gmi.protocol import Protocol
from kling_airflow.gmi.retries import Retries
from tests.gmi.clients import AsyncFace, SyncFace
from tests.gmi.scripted import Scripted, answer, drip, raw, scripted, unread

TOTAL = 0.7
SLACK = 6.0  # what a busy machine adds; without the deadline a call would take 30 s
# No single step is ever late: only the whole call is.
LIMITS = Timeouts(connect=30.0, read=30.0, total=TOTAL)
LARGE = "A" * 13_000_000
Server = AbstractContextManager[Scripted]


class OneTry(SyncFace):
    retries = Retries(attempts=1)


class AsyncOneTry(AsyncFace):
    retries = Retries(attempts=1)


@pytest.fixture(params=[OneTry, AsyncOneTry], ids=["requests", "aiohttp"])
def face(request: pytest.FixtureRequest) -> type[SyncFace]:
    kind: type[SyncFace] = request.param
    return kind


@pytest.fixture(autouse=True)
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(build: Callable[..., Call]) -> Callable[..., Call]:
        return lambda *given, **named: replace(build(*given, **named), timeouts=LIMITS)

    for name in ("submit", "get", "list_page", "upload_url", "put"):
        monkeypatch.setattr(Protocol, name, limited(getattr(Protocol, name)))


@contextmanager
def full_backlog() -> Iterator[Scripted]:
    """A server whose system accepts no further connection, and does not refuse one either."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(8)]
        for connection in waiting:
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        yield Scripted(listener.getsockname()[1])
        for connection in waiting:
            connection.close()


def read_slowly(connection: socket.socket) -> None:
    while True:
        try:
            if not connection.recv(4096):
                return
        except OSError:
            return
        time.sleep(0.05)


def https(server: Scripted) -> str:
    return server.url.replace("http:", "https:")


def http(server: Scripted) -> str:
    return server.url


HEADERS = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LENGTH = b"Content-Length: 100000\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CASES: dict[str, tuple[Callable[[], Server], Callable[[Scripted], str], Phase]] = {
    "connect": (full_backlog, http, Phase.CONNECT),
    "status line drips": (lambda: scripted(drip(b"HTTP/1.1 200 ", b"O")), http, Phase.WAIT),
    "headers drip": (lambda: scripted(drip(HEADERS, b"X-Wait: a\r\n")), http, Phase.WAIT),
    "one header drips": (lambda: scripted(drip(HEADERS + b"X-Wait: ")), http, Phase.WAIT),
    "100 Continue drips": (lambda: scripted(drip(b"", CONTINUE)), http, Phase.WAIT),
    "no response": (lambda: unread(), http, Phase.WAIT),
    "body drips": (lambda: scripted(drip(HEADERS + LENGTH, b" ")), http, Phase.BODY),
    "chunks drip": (lambda: scripted(drip(HEADERS + CHUNKED, b"1\r\n \r\n")), http, Phase.BODY),
}  # fmt: skip


def lasted(run: Callable[[], Any]) -> tuple[GMIError, float]:
    began = time.monotonic()
    with pytest.raises(GMIError) as caught:
        run()
    return caught.value, time.monotonic() - began


def check(error: GMIError, seconds: float, phase: Phase, *, submission: bool) -> None:
    assert seconds < TOTAL + SLACK
    assert phase.value in error.what
    if submission:
        assert type(error) is (AmbiguousSubmission if phase.may_have_been_sent else NotAccepted)
    else:
        assert type(error) is Unreachable


@pytest.mark.parametrize("case", CASES)
def test_a_submission_ends_at_its_deadline(face: type[SyncFace], case: str) -> None:
    serve, url, phase = CASES[case]
    with serve() as server:
        error, seconds = lasted(lambda: face(url(server)).call("submit", "m", {"prompt": "x"}))
    check(error, seconds, phase, submission=True)


@pytest.mark.parametrize("case", CASES)
def test_a_read_ends_at_its_deadline(face: type[SyncFace], case: str) -> None:
    serve, url, phase = CASES[case]
    with serve() as server:
        error, seconds = lasted(lambda: face(url(server)).call("get", "a"))
    check(error, seconds, phase, submission=False)


def test_tls_that_is_never_agreed_on(face: type[SyncFace]) -> None:
    with unread() as server:
        error, seconds = lasted(lambda: face(https(server)).call("submit", "m", {}))
        assert server.requests, "the connection was open"
    assert seconds < TOTAL + SLACK
    assert type(error) is NotAccepted, "no byte of the submission was sent"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS context, whose authority the clients trust."""
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "queue.example").configure_cert(context)
    return context


def over(tls: ssl.SSLContext, step: Callable[[Any], None]) -> Callable[[socket.socket], None]:
    """Return a step that agrees on TLS first."""

    def handle(connection: socket.socket) -> None:
        with suppress(OSError), tls.wrap_socket(connection, server_side=True) as secured:
            step(secured)

    return handle


def opened_by_proxy(step: Callable[[Any], None]) -> Callable[[socket.socket], None]:
    """Return a step that plays the proxy first, which opens a tunnel to the server."""

    def handle(connection: socket.socket) -> None:
        with suppress(OSError):
            data = b""
            while not data.endswith(b"\r\n\r\n"):
                data += connection.recv(1)  # a byte at a time: what follows belongs to TLS
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            step(connection)

    return handle


def drip_headers(connection: Any) -> None:
    connection.recv(65536)
    drip(HEADERS, b"X-Wait: a\r\n")(connection)


@pytest.mark.parametrize("through_proxy", [False, True], ids=["direct", "through a tunnel"])
@pytest.mark.parametrize(
    ("step", "payload", "phase"),
    [(read_slowly, {"image": LARGE}, Phase.SEND), (drip_headers, {"prompt": "x"}, Phase.WAIT)],
    ids=["slow line", "headers drip"],
)
def test_the_deadline_holds_over_tls_and_through_a_tunnel(
    face: type[SyncFace],
    tls: ssl.SSLContext,
    step: Callable[[Any], None],
    payload: dict[str, str],
    phase: Phase,
    through_proxy: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handle = over(tls, step)
    with unread(opened_by_proxy(handle) if through_proxy else handle, receive_buffer=4096) as server:
        url = https(server)
        if through_proxy:
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.setenv("https_proxy", server.url)
            url = "https://queue.example"
        error, seconds = lasted(lambda: face(url).call("submit", "m", payload))
    check(error, seconds, phase, submission=True)


def test_a_certificate_that_is_not_trusted_is_never_sent_anything(
    face: type[SyncFace], tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with unread(over(tls, drip_headers)) as server:
        error, _ = lasted(lambda: face(https(server)).call("submit", "m", {}))
    assert type(error) is NotAccepted


def test_a_proxy_that_never_opens_the_tunnel(face: type[SyncFace], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with unread() as server:
        monkeypatch.setenv("https_proxy", server.url)
        error, seconds = lasted(lambda: face("https://queue.example").call("submit", "m", {}))
        assert server.requests, "the proxy was asked"
    assert seconds < TOTAL + SLACK
    assert type(error) is NotAccepted


def test_a_proxy_that_passes_the_call_on_and_is_never_answered(
    face: type[SyncFace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with unread() as server:
        monkeypatch.setenv("http_proxy", server.url)
        error, seconds = lasted(lambda: face("http://queue.example").call("submit", "m", {}))
    check(error, seconds, Phase.WAIT, submission=True)


def test_a_large_submission_over_a_slow_line(face: type[SyncFace]) -> None:
    with unread(read_slowly, receive_buffer=4096) as server:
        error, seconds = lasted(lambda: face(server.url).call("submit", "m", {"image": LARGE}))
    check(error, seconds, Phase.SEND, submission=True)


def test_a_large_upload_over_a_slow_line(face: type[SyncFace]) -> None:
    with unread(read_slowly, receive_buffer=4096) as store:
        pair = f'{{"upload_url": "{store.url}/f?signature=s3cr3t", "public_url": "https://p/f.png"}}'
        with scripted(answer(200, pair)) as queue:
            error, seconds = lasted(lambda: face(queue.url).call("upload", LARGE.encode(), "png"))
    check(error, seconds, Phase.SEND, submission=False)
    assert "s3cr3t" not in str(error)


def test_after_the_deadline_not_a_byte_more_is_sent(face: type[SyncFace]) -> None:
    """The system has buffered a part of the body: it is thrown away, not sent on."""
    received = [0, 0.0]

    def read_later(connection: socket.socket) -> None:
        time.sleep(TOTAL + 0.5)
        try:
            while data := connection.recv(65536):
                received[0] += len(data)
        except OSError:
            received[1] = 1

    with unread(read_later, receive_buffer=4096) as server:
        lasted(lambda: face(server.url).call("submit", "m", {"image": LARGE}))
        wait_until = time.monotonic() + 10
        while not received[1] and time.monotonic() < wait_until:
            threading.Event().wait(0.05)
    assert received[1], "the connection was reset"
    assert received[0] < 1_000_000


def slow_names(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let each look-up of a host hang until the event is set: a name server that does not respond."""
    whole, released = socket.getaddrinfo, threading.Event()

    def look_up(*given: Any, **named: Any) -> Any:
        released.wait(20)
        return whole("127.0.0.1", *given[1:], **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return released


def test_a_name_server_that_does_not_respond(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answer(200, "{}")) as server:
        released = slow_names(monkeypatch)
        url = server.url.replace("127.0.0.1", "queue.example")
        error, seconds = lasted(lambda: OneTry(url).call("submit", "m", {}))
        check(error, seconds, Phase.LOOKUP, submission=True)
        before = {thread for thread in threading.enumerate() if thread.name == "kling-exchange"}
        released.set()
        for thread in before:
            thread.join(10)
            assert not thread.is_alive()
        assert server.requests == [], "what was called safe to send again is not sent late"


def test_a_name_server_that_does_not_respond_to_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(answer(200, "{}")) as server:
        released = slow_names(monkeypatch)
        # The loop waits for the thread of the look-up when it is closed, so the look-up ends by itself.
        threading.Timer(TOTAL + 1.0, released.set).start()
        url = server.url.replace("127.0.0.1", "queue.example")
        error, seconds = lasted(lambda: AsyncOneTry(url).call("submit", "m", {}))
        check(error, seconds, Phase.LOOKUP, submission=True)
        assert server.requests == []


def test_a_call_within_its_deadline_returns(face: type[SyncFace]) -> None:
    with scripted(answer(200, '{"request_id": "a"}')) as server:
        assert face(server.url).call("get", "a").request_id == "a"


REFUSED = {
    "no such host": ("http://no-such-host.invalid", "looking up the host"),
    "nothing listens": ("http://127.0.0.1:9", "Connection refused"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_failed_connection_says_its_phase_and_address(face: type[SyncFace], case: str) -> None:
    url, words = REFUSED[case]
    error, _ = lasted(lambda: face(url).call("submit", "m", {}))
    assert type(error) is NotAccepted
    assert words in error.what
    assert url in error.what


def test_a_response_that_is_cut_off_is_ambiguous(face: type[SyncFace]) -> None:
    with scripted(raw(HEADERS + b'Content-Length: 100\r\n\r\n{"request_id":')) as server:
        error, _ = lasted(lambda: face(server.url).call("submit", "m", {}))
    assert type(error) is AmbiguousSubmission
