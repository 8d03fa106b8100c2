"""What the simulator can carry, so that a load test measures its client and not the simulator."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import requests

from benchmarks._table import publish

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUE = "/api/v1/ie/requestqueue/apikey"
KEY = "gmi-simulator-key"
IN_FLIGHT = 10_000
SECONDS = 4.0
CONNECTIONS = 32
AIM = 2_000
MODEL = "kling-v3-text-to-video"


class Connection(asyncio.Protocol):
    """One connection that asks as soon as it was answered: the cheapest client there is.

    :param calls: ready-made requests, taken in turn.
    :param until: when to stop, by the performance counter; None is after one round.
    """

    def __init__(self, calls: list[bytes], until: float | None) -> None:
        self._calls, self._until = calls, until
        self._at, self._buffer, self._left = 0, bytearray(), -1
        self._sent = 0.0
        self.waits: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Ask for the first time."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Read on, and ask again."""
        self._buffer += data
        if self._left < 0:
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 200"):
                self.done.set_exception(RuntimeError(head.decode()))
                return
            length = re.search(rb"content-length: (\d+)", head)
            self._left, self._buffer = int(length.group(1)) if length else 0, bytearray(rest)
        if len(self._buffer) >= self._left:
            self.waits.append(time.perf_counter() - self._sent)
            self._buffer.clear()
            self._left = -1
            self._ask()

    def _ask(self) -> None:
        now = time.perf_counter()
        over = self._at >= len(self._calls) if self._until is None else now >= self._until
        if over:
            self._transport.close()
            self.done.set_result(None)
            return
        self._sent = now
        self._transport.write(self._calls[self._at % len(self._calls)])
        self._at += 1


async def ask(port: int, calls: list[bytes], seconds: float | None) -> list[float]:
    """Make calls over all connections at once; return how long each took, in seconds."""
    loop = asyncio.get_running_loop()
    until = None if seconds is None else time.perf_counter() + seconds
    protocols = []
    for place in range(CONNECTIONS):
        share = calls[place::CONNECTIONS] or calls
        _, protocol = await loop.create_connection(
            lambda share=share: Connection(share, until), "127.0.0.1", port
        )
        protocols.append(protocol)
    await asyncio.gather(*(protocol.done for protocol in protocols))
    return [wait for protocol in protocols for wait in protocol.waits]


def call(method: str, path: str, content: Any = None) -> bytes:
    """Return a request's bytes."""
    body = b"" if content is None else json.dumps(content).encode()
    lines = [f"{method} {QUEUE}{path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {KEY}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


@contextmanager
def simulator(*flags: str) -> Iterator[tuple[psutil.Process, int]]:
    """Run a simulator on the first core; yield it and its port. This process keeps to the second."""
    command = [
        sys.executable,
        "-m",
        "kling_airflow",
        "simulator",
        "--port",
        "0",
        "--submit-seconds",
        "0",
        "--quiet",
    ]
    process = subprocess.Popen([*command, *flags], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    watched = psutil.Process(process.pid)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) > 1:
        watched.cpu_affinity(cores[:1])
        os.sched_setaffinity(0, cores[1:2])
    try:
        match = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert match is not None
        yield watched, int(match.group(1))
    finally:
        process.terminate()
        process.wait()
        if cores:
            os.sched_setaffinity(0, cores)


def measured(
    name: str, process: psutil.Process, port: int, calls: list[bytes], seconds: float | None
) -> list[Any]:
    """Make calls; return a row of the table."""
    before, begin = process.cpu_times(), time.perf_counter()
    waits = sorted(asyncio.run(ask(port, calls, seconds)))
    took, after = time.perf_counter() - begin, process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return [
        name,
        len(waits),
        len(waits) / took,
        waits[len(waits) // 2] * 1e3,
        waits[len(waits) * 99 // 100] * 1e3,
        cpu / len(waits) * 1e6,
        100 * cpu / took,
    ]


def render_times() -> tuple[float, float]:
    """Return the seconds a clip of 5 s takes to render, and the slowest read meanwhile, in milliseconds."""
    with simulator("--speed", "100000", "--render", "full") as (_, port):
        root = f"http://127.0.0.1:{port}{QUEUE}/requests"
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {KEY}"
        payload = {"prompt": "p", "duration": "5", "sound": "on"}
        slowest = 0.0
        times = []
        for prompt in ("warm up", "measured"):
            content = {"model": MODEL, "payload": payload | {"prompt": prompt}}
            begin = time.perf_counter()
            request_id = session.post(root, json=content, timeout=30).json()["request_id"]
            while True:
                asked = time.perf_counter()
                status = session.get(f"{root}/{request_id}", timeout=30).json()["status"]
                slowest = max(slowest, time.perf_counter() - asked)
                if status == "success":
                    break
                time.sleep(0.02)
            times.append(time.perf_counter() - begin)
    return times[-1], slowest * 1e3


def main() -> int:
    """Measure and print; return 1 when the aim is missed."""
    with simulator("--generation-seconds", "1000000", "--render", "fast") as (process, port):
        submission = {"model": MODEL, "payload": {"prompt": "p" * 300, "duration": "5", "sound": "on"}}
        memory = process.memory_info().rss
        rows = [
            measured(
                "POST /requests", process, port, [call("POST", "/requests", submission)] * IN_FLIGHT, None
            )
        ]
        memory = process.memory_info().rss - memory
        ids: list[str] = []
        while len(ids) < IN_FLIGHT:
            listed = requests.get(
                f"http://127.0.0.1:{port}{QUEUE}/requests",
                params={"model_id": MODEL, "limit": "100", "offset": str(len(ids))},
                headers={"Authorization": f"Bearer {KEY}"},
                timeout=30,
            ).json()
            ids += [record["request_id"] for record in listed["requests"]]
        reads = [call("GET", f"/requests/{request_id}") for request_id in ids]
        pages = [
            call("GET", f"/requests?model_id={MODEL}&limit=100&offset={offset}")
            for offset in range(0, IN_FLIGHT, 100)
        ]
        rows.append(measured("GET /requests/{id}", process, port, reads, SECONDS))
        rows.append(measured("GET /requests, 100 rows", process, port, pages, SECONDS))
    carried = 1e6 / rows[1][5]
    rendering, slowest = render_times()
    publish(
        "simulator",
        f"The simulator on one core, {IN_FLIGHT:,} requests in flight, {CONNECTIONS} connections",
        ["call", "calls", "a second", "p50 ms", "p99 ms", "server CPU µs", "server CPU %"],
        rows,
        notes=[
            f"Aim: one core carries {AIM:,} reads a second; by its CPU time it carries {carried:,.0f}.",
            f"Memory: {memory / IN_FLIGHT / 1024:.1f} KB for each request in flight.",
            f"A clip of 5 s in 720p with sound is there after {rendering:.1f} s, rendered beside the server.",
            f"The slowest of the reads meanwhile took {slowest:.0f} ms.",
        ],
    )
    return 0 if carried >= AIM else 1


if __name__ == "__main__":
    sys.exit(main())
