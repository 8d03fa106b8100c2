"""Late creations, requests that are read slowly, and redirects of every kind."""

from __future__ import annotations

import gzip
import json
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection

import pytest
import requests
from requests.exceptions import ConnectionError as Disconnected

from kling_airflow.simulator import Simulator
from tests.simulator.client import GOOD, MODEL, QUEUE, Queue, raw_read
from tests.simulator.fixture_types import Slow
from tests.simulator.waiting import wait_until


def test_request_is_created_after_the_client_has_given_up(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("created-late", seconds=275)
    with pytest.raises(Disconnected):
        queue.post(GOOD)
    clock.advance(274)
    assert queue.list(model_id=MODEL)["requests"] == []
    assert simulator.ledger() == []
    clock.advance(1)
    wait_until(lambda: len(simulator.ledger()) == 1)
    (entry,) = simulator.ledger()
    assert entry.billed
    (row,) = queue.list(model_id=MODEL)["requests"]
    assert (row["created_at"], row["payload"]) == (int(clock.now()), GOOD)


def test_a_reset_forgets_late_requests(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("created-late", seconds=10)
    with pytest.raises(Disconnected):
        queue.post(GOOD)
    simulator.reset()
    clock.advance(11)
    metrics = f"{simulator.base_url}/_simulator/metrics"
    dropped = 'calls_total{call="POST /requests",status="0"} 1'
    wait_until(lambda: dropped in requests.get(metrics, timeout=5).text)
    assert simulator.ledger() == []


def test_a_bad_late_request_is_still_refused(slow: Slow) -> None:
    simulator, queue, clock = slow
    simulator.faults.add("created-late", seconds=10)
    with pytest.raises(Disconnected):
        queue.post({"prompt": "p"})
    answered = simulator.calls()["POST /requests"]
    clock.advance(10)
    assert queue.post(GOOD).status_code == 200
    assert simulator.calls()["POST /requests"] == answered + 1
    assert len(simulator.ledger()) == 1


def test_body_of_the_call_is_read_slowly(sim: Simulator, queue: Queue) -> None:
    body = GOOD | {"negative_prompt": "x" * 2000}
    size = len(json.dumps({"model": MODEL, "payload": body}))
    sim.faults.add("slow-request", bytes_per_second=size * 2)
    begin = time.monotonic()
    assert queue.post(body).status_code == 200
    assert time.monotonic() - begin >= 0.5


def test_kernel_holds_the_client_back(sim: Simulator) -> None:
    """A client can't send a large body ahead of the slow reader."""
    sim.faults.add("slow-request", bytes_per_second=50_000)
    address = ("127.0.0.1", int(sim.base_url.rpartition(":")[2]))
    head = (
        f"POST {QUEUE}/requests HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n"
        f"Authorization: Bearer {sim.api_key}\r\n\r\n"
    )
    sent = 0
    with socket.create_connection(address, timeout=0.2) as connection:
        connection.sendall(head.encode())
        wait_until(lambda: sim.calls().get("POST /requests", 0) == 1)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            with suppress(TimeoutError):
                sent += connection.send(b" " * 65_536)
    assert sent < 10_000_000


def test_upload_is_read_slowly(sim: Simulator, queue: Queue) -> None:
    signed = queue.call("POST", "/upload-url", json={"file_type": "png"}).json()
    sim.faults.add("slow-request", call="PUT upload", bytes_per_second=20_000)
    begin = time.monotonic()
    headers = {"Content-Type": "image/png"}
    put = requests.put(signed["upload_url"], data=b"x" * 10_000, headers=headers, timeout=5)
    assert put.status_code == 200
    assert time.monotonic() - begin >= 0.5
    assert requests.get(signed["public_url"], timeout=5).content == b"x" * 10_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(sim: Simulator, queue: Queue, status: int) -> None:
    sim.faults.add("redirect", status=status, location="https://elsewhere.example/")
    answer = queue.post(GOOD, allow_redirects=False)
    assert (answer.status_code, answer.headers["location"], answer.content) == (
        status,
        "https://elsewhere.example/",
        b"",
    )
    assert sim.ledger() == []


@pytest.mark.parametrize(
    "location", ["http://[::1", "//", "http:///x", "ftp://h/x", "\t", "http://h:99999999/"]
)
def test_redirect_to_a_malformed_location(sim: Simulator, location: str) -> None:
    """`requests` parses the Location even with `allow_redirects=False`, so a plainer client reads it here."""
    sim.faults.add("redirect", call="GET /models", location=location)
    head = raw_read(sim.base_url, sim.api_key, close=True).partition(b"\r\n\r\n")[0].decode()
    assert head.startswith("HTTP/1.1 302 ")
    assert f"location: {location}" in head.split("\r\n")


def test_redirect_without_a_location(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("redirect", location="")
    assert "location" not in queue.post(GOOD, allow_redirects=False).headers


def test_redirect_with_a_large_body(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("redirect", body_bytes=3_000_000)
    answer = queue.post(GOOD, allow_redirects=False)
    assert (answer.headers["content-length"], len(answer.content)) == ("3000000", 3_000_000)


def test_redirect_with_a_compressed_body(sim: Simulator) -> None:
    """A few kilobytes on the wire are megabytes in the client that decompresses them."""
    sim.faults.add("redirect", call="GET /models", body_bytes=20_000_000, compressed=True)
    connection = HTTPConnection("127.0.0.1", int(sim.base_url.rpartition(":")[2]), timeout=20)
    connection.request("GET", f"{QUEUE}/models")
    answer = connection.getresponse()
    assert (answer.status, answer.headers["content-encoding"]) == (302, "gzip")
    wire = answer.read()
    connection.close()
    assert len(wire) < 100_000
    assert len(gzip.decompress(wire)) == 20_000_000


def test_redirect_whose_body_drips(sim: Simulator, queue: Queue) -> None:
    """Each byte resets a timeout that counts single reads."""
    sim.faults.add("redirect", body_bytes=20, bytes_per_second=40)
    begin = time.monotonic()
    answer = queue.post(GOOD, allow_redirects=False, timeout=0.3)
    assert (answer.status_code, len(answer.content)) == (302, 20)
    assert time.monotonic() - begin >= 0.5


def test_redirect_of_a_clip(sim: Simulator, queue: Queue) -> None:
    record = queue.finished(queue.submit())
    sim.faults.add("redirect", call="GET media", location="/elsewhere")
    assert queue.clip(record, allow_redirects=False).status_code == 302
