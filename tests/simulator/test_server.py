"""`Simulator` as a context manager: it is ready when entered, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import requests

from kling_airflow.simulator import ManualClock, Settings, Simulator, server
from kling_airflow.simulator.service import Service
from tests.simulator.client import Queue
from tests.simulator.waiting import wait_until

Renderers = Callable[[], list[psutil.Process]]
RENDERER = "kling_airflow.simulator.media.render"


def children() -> list[psutil.Process]:
    """The renderer processes that run, of every simulator of this process."""
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in running if RENDERER in child.cmdline()]


@pytest.fixture
def renderers() -> Renderers:
    """Returns the renderer processes that were started during the test and run."""
    before = children()
    return lambda: [child for child in children() if child not in before]


def test_ready_when_entered_and_gone_when_left() -> None:
    with Simulator(render="fast") as simulator:
        assert Queue(simulator.base_url, simulator.api_key).call("GET", "/requests").status_code == 200
        address = simulator.base_url
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=2)


def test_leaves_no_thread_process_or_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renderers: Renderers
) -> None:
    before = set(threading.enumerate())
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Simulator(speed=10_000, render="fast") as simulator:
        queue = Queue(simulator.base_url, simulator.api_key)
        queue.finished(queue.submit())
        assert len(list(tmp_path.glob("gmi-simulator-*"))) == 1
        assert len(renderers()) == 1
    assert list(tmp_path.glob("gmi-simulator-*")) == []
    assert renderers() == []
    wait_until(lambda: set(threading.enumerate()) <= before)


def test_stops_with_a_connection_open_and_a_generation_running() -> None:
    simulator = Simulator(render="full").start()
    queue = Queue(simulator.base_url, simulator.api_key)
    simulator.faults.add("late-answer", call="GET /models", seconds=60)

    def read() -> None:
        with suppress(requests.RequestException):
            queue.call("GET", "/models")

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    wait_until(lambda: simulator.calls().get("GET /models", 0) > 0)
    begin = time.monotonic()
    simulator.stop()
    assert time.monotonic() - begin < 5


def test_is_left_behind_and_says_why_when_it_does_not_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "STOP_WITHIN", 0.5)
    simulator = Simulator(render="fast").start()
    ended = threading.Event()

    def stuck(service: Service) -> None:
        asyncio.get_running_loop().run_in_executor(None, ended.wait)

    simulator._call(stuck)
    simulator.stop()
    assert "has not ended within 0.5 s" in caplog.text
    assert "in wait" in caplog.text
    ended.set()


@pytest.mark.parametrize(
    ("host", "address"), [("0.0.0.0", "http://127.0.0.1:"), ("::1", "http://[::1]:"), ("::", "http://[::1]:")]
)
def test_other_addresses(host: str, address: str) -> None:
    with Simulator(host=host, render="fast") as simulator:
        assert simulator.base_url.startswith(address)
        assert Queue(simulator.base_url, simulator.api_key).call("GET", "/models").status_code == 200


def test_can_be_started_again() -> None:
    simulator = Simulator(render="fast")
    for _ in range(2):
        with simulator:
            assert simulator.ledger() == []
            Queue(simulator.base_url, simulator.api_key).submit("inworld-tts-1.5-max", text="t")


def test_a_busy_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1:{port}: Address already in use"):
            Simulator(port=port).start()


def test_not_running() -> None:
    with pytest.raises(RuntimeError, match="with Simulator"):
        Simulator().ledger()


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match="speed"):
        Simulator(speed=0)
    with pytest.raises(ValueError, match="sped"):
        Simulator(sped=3)
    with pytest.raises(ValueError, match="no fault is called 'x'"), Simulator(faults=[{"name": "x"}]):
        pass


def test_settings_and_connection() -> None:
    simulator = Simulator(Settings(speed=7))
    assert simulator.settings.speed == 7
    with simulator:
        connection = json.loads(simulator.connection)
    assert connection == {"conn_type": "gmi_cloud", "host": simulator.base_url, "password": simulator.api_key}


def test_several_at_once_have_nothing_in_common() -> None:
    with Simulator(render="fast") as one, Simulator(render="fast") as other:
        request_id = Queue(one.base_url, one.api_key).submit("inworld-tts-1.5-max", text="t")
        assert Queue(other.base_url, other.api_key).call("GET", f"/requests/{request_id}").status_code == 404
        assert len(one.ledger()) == 1
        assert other.ledger() == []


def test_clips_can_be_kept_between_runs(tmp_path: Path, renderers: Renderers) -> None:
    sizes = []
    for _ in range(2):
        with Simulator(speed=10_000, render="fast", media_dir=tmp_path) as simulator:
            queue = Queue(simulator.base_url, simulator.api_key)
            sizes.append(len(queue.clip(queue.finished(queue.submit())).content))
            sizes.append(len(renderers()))
    assert sizes[0] == sizes[2]
    assert (sizes[1], sizes[3]) == (1, 0), "the second run rendered nothing"


def test_a_dead_renderer_is_replaced(renderers: Renderers) -> None:
    with Simulator(speed=10_000, render="fast") as simulator:
        queue = Queue(simulator.base_url, simulator.api_key)
        queue.finished(queue.submit())
        (process,) = renderers()
        process.kill()
        wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
        assert queue.finished(queue.submit(duration="7"))["status"] == "success"


def test_manual_clock_stands_still() -> None:
    clock = ManualClock(start=100.0)
    assert clock.now() == 100.0
    assert clock.advance(2.5) == clock.now() == 102.5
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


def test_submission_waits_for_the_manual_clock() -> None:
    clock = ManualClock()
    with Simulator(clock=clock, speed=1, submit_seconds=3, render="fast") as simulator:
        queue = Queue(simulator.base_url, simulator.api_key)
        answers: list[str] = []
        thread = threading.Thread(
            target=lambda: answers.append(queue.submit("kling-v3-text-to-video", prompt="p")), daemon=True
        )
        thread.start()
        wait_until(lambda: simulator.calls().get("POST /requests", 0) > 0)
        thread.join(0.1)
        assert answers == []
        clock.advance(3)
        thread.join(5)
        assert len(answers) == 1


def test_rendering_never_blocks_the_loop() -> None:
    """While two clips are rendered at full size, reads are answered at once."""
    with Simulator(speed=10_000, render="full") as simulator:
        queue = Queue(simulator.base_url, simulator.api_key)
        request_id = queue.submit("kling-v3-text-to-video", prompt="p", duration="10")
        slowest, reads = 0.0, 0
        while queue.get(request_id)["status"] != "success" and reads < 300:
            begin = time.monotonic()
            queue.get(request_id)
            slowest = max(slowest, time.monotonic() - begin)
            reads += 1
        assert slowest < 0.5
        assert reads > 20
