"""Whatever a server sends ends in an error of this package, in time and in little memory."""

from __future__ import annotations

import gzip
import json
import resource
import time
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_airflow.errors import AmbiguousSubmission, GMIError, Rejected, ResponseTooLarge, WrongService
from kling_airflow.gmi.body import ERROR_MAX_BYTES
from kling_airflow.gmi.request import Request
from kling_airflow.gmi.retries import Retries
from tests.gmi.clients import AsyncFace, SyncFace
from tests.gmi.scripted import Scripted, answer, drip, raw, scripted

RECORD = b'{"request_id": "a", "status": "queued"}'
BOMB_MEGABYTES = 300


class OneTry(SyncFace):
    retries = Retries(attempts=1)


class AsyncOneTry(AsyncFace):
    retries = Retries(attempts=1)


both = pytest.mark.parametrize("face", [OneTry, AsyncOneTry], ids=["requests", "aiohttp"])


def head(status: int = 200, **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode()


def bomb(wbits: int) -> bytes:
    packer, zeros = zlib.compressobj(9, zlib.DEFLATED, wbits), b" " * (1 << 20)
    return b"".join([*(packer.compress(zeros) for _ in range(BOMB_MEGABYTES)), packer.flush()])


BOMBS = {"gzip": bomb(31), "deflate": bomb(15)}
DEEP = b'{"request_id": "a", "outcome": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
RAW = {
    "a Content-Length of 5000 digits": head(Content_Length="9" * 5000) + b"x",
    "a negative Content-Length": head(Content_Length="-1") + b"x",
    "a Retry-After of 5000 digits": head(503, Retry_After="9" * 5000, Content_Length="0"),
    "a Date of 5000 digits": head(Date="9" * 5000, Content_Length="0"),
    "no Location": head(302, Content_Length="0"),
    "a malformed Location": head(302, Location="http://[::1", Content_Length="0"),
    "a Location of raw bytes": b"HTTP/1.1 307 X\r\nLocation: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    "200 headers": head(**{f"A{number}": "b" for number in range(200)}),
    "a header of 1 MB": head(X="x" * 1_000_000),
    "an unknown status": head(999, Content_Length="0"),
    "a status of letters": b"HTTP/1.1 abc X\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9\r\n",
    "nothing": b"",
    "a bad chunk": head(Transfer_Encoding="chunked") + b"zz\r\n",
    "a chunk of 5000 digits": head(Transfer_Encoding="chunked") + b"f" * 5000 + b"\r\n",
    "an unknown encoding": head(Content_Encoding="br", Content_Length="1") + b"x",
    "a damaged gzip": head(Content_Encoding="gzip", Content_Length="5") + b"xxxxx",
    "an encoding of raw bytes": b"HTTP/1.1 200 X\r\nContent-Encoding: \xff\r\nContent-Length: 1\r\n\r\nx",
    "a malformed cookie": head(Set_Cookie="=;=;Expires=9999999", Content_Length="0"),
    "deep JSON": head(Content_Length=str(len(DEEP))) + DEEP,
}


def outcome(face: type[SyncFace], server: Scripted, call: str) -> Any:
    arguments: dict[str, Any] = {
        "get": ("a",),
        "submit": ("m", {"prompt": "x"}),
        "list_page": ("m",),
        "models": (),
        "upload": (b"x", "png"),
    }
    try:
        return face(server.url).call(call, *arguments[call])
    except GMIError as error:
        return error


@both
@pytest.mark.parametrize("case", RAW)
def test_an_odd_response_is_an_error_of_ours(face: type[SyncFace], case: str) -> None:
    with scripted(raw(RAW[case])) as server:
        for call in ("get", "list_page", "models", "upload"):
            assert isinstance(outcome(face, server, call), GMIError)
        submitted = outcome(face, server, "submit")
        assert type(submitted) in {AmbiguousSubmission, WrongService}
        said = submitted.what.replace(server.url, "")  # whose port may have these digits
        assert (type(submitted) is WrongService) == ("307" in said)


@both
@given(data=st.binary(max_size=200), status=st.integers(0, 1200), length=st.integers(-5, 10**30))
@settings(max_examples=15)
def test_random_bytes_after_a_status_are_an_error_of_ours(
    face: type[SyncFace], data: bytes, status: int, length: int
) -> None:
    for start in (b"", f"HTTP/1.1 {status} X\r\n".encode(), head(status % 1000, Content_Length=str(length))):
        with scripted(raw(start + data)) as server:
            assert isinstance(outcome(face, server, "submit"), GMIError)


@both
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_body_of_a_redirect_is_not_read(face: type[SyncFace], status: int) -> None:
    step = drip(head(status, Location="/elsewhere", Content_Length="1000000"))
    began = time.monotonic()
    with scripted(step) as server:
        assert isinstance(outcome(face, server, "get"), GMIError)
    with scripted(step) as server:
        assert isinstance(outcome(face, server, "submit"), AmbiguousSubmission | WrongService)
    assert time.monotonic() - began < 5


@both
@pytest.mark.parametrize("status", [200, 302, 400, 502])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_small_response_never_becomes_a_large_one(face: type[SyncFace], status: int, encoding: str) -> None:
    packed = BOMBS[encoding]
    assert len(packed) < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = answer(status, packed, Content_Encoding=encoding, Location="/elsewhere")
    for call in ("get", "submit"):
        with scripted(step) as server:
            error = outcome(face, server, call)
        assert isinstance(error, GMIError)
        if status == 200:
            assert type(error) is (ResponseTooLarge if call == "get" else AmbiguousSubmission)
            assert "larger than" in error.what
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 150 * 1024, f"{grown // 1024} MB for {len(packed)} bytes"


@both
def test_of_an_error_only_the_beginning_is_read(face: type[SyncFace]) -> None:
    body = json.dumps({"error": "no frame"}).encode() + b" " * 50_000_000
    with scripted(answer(400, body)) as server:
        error = outcome(face, server, "submit")
    assert type(error) is Rejected
    assert len(body) > ERROR_MAX_BYTES


@both
@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(RECORD, mtime=0)),
        ("GZIP ", gzip.compress(RECORD, mtime=0)),
        ("gzip", gzip.compress(RECORD[:10], mtime=0) + gzip.compress(RECORD[10:], mtime=0)),
        ("deflate", zlib.compress(RECORD)),
        ("deflate", zlib.compress(RECORD, wbits=-15)),
        ("identity", RECORD),
    ],
)
def test_a_compressed_response_is_read(face: type[SyncFace], encoding: str, packed: bytes) -> None:
    with scripted(answer(200, packed, Content_Encoding=encoding)) as server:
        assert face(server.url).call("get", "a").request_id == "a"
        assert face(server.url).call("submit", "m", {}).request_id == "a"


FIELDS = ["status", "model", "payload", "outcome", "created_at", "updated_at", "queued_at", "error"]
ODD = [
    "9" * 5000,
    "1e999",
    "-1e999",
    "[" * 300 + "]" * 300,
    '{"a": ' * 300 + "1" + "}" * 300,
    "true",
    "[]",
    "{}",
    '""',
    "[{}]",
]


@both
@pytest.mark.parametrize("value", ODD, ids=lambda value: value[:12])
def test_an_odd_value_in_any_field_is_read_or_an_error_of_ours(face: type[SyncFace], value: str) -> None:
    for field in FIELDS:
        record = f'{{"request_id": "a", "{field}": {value}}}'
        page = f'{{"requests": [{record}], "total": {value}, "has_more": {value}}}'
        with scripted(answer(200, record)) as server:
            for call in ("get", "submit"):
                seen = outcome(face, server, call)
                assert isinstance(seen, Request | GMIError)
                if isinstance(seen, Request):
                    json.dumps(seen.clip().to_json())
        with scripted(answer(200, page)) as server:
            outcome(face, server, "list_page")
        with scripted(answer(400, f'{{"error": {value}}}')) as server:
            assert isinstance(outcome(face, server, "submit"), Rejected)
