"""S3, queue and Airflow come up together, fail with a reason, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from kling_airflow.demo.errors import DemoError
from kling_airflow.demo.options import START, dags_folder
from kling_airflow.demo.service import Service
from kling_airflow.demo.stack import Stack

STILL = [sys.executable, "-c", "import time; time.sleep(300)"]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack with a real S3 and a real queue; in Airflow's place something that only runs."""
    made = Stack(tmp_path / "home", dags=dags_folder(), speed=100)
    made.airflow.service._command = STILL
    yield made
    made.stop()


def test_the_bucket_holds_what_is_put_there(stack: Stack, tmp_path: Path) -> None:
    with stack:
        stack.store.wait_until_ready()
        uri = stack.store.upload(START, "s3://clips/photographs/a b+c.jpg")
        copy = stack.store.download(uri, tmp_path / "out")
        assert copy.name == "a b+c.jpg"
        assert copy.read_bytes() == START.read_bytes()


def test_the_queue_answers_and_has_billed_nothing(stack: Stack) -> None:
    with stack:
        stack.queue.wait_until_ready()
        assert stack.queue.ledger() == []
        assert stack.queue.billed() == 0
        assert stack.queue.status("00000000-0000-4000-8000-000000000000") is None
        stack.require_running()


def test_airflow_is_connected_to_both(stack: Stack) -> None:
    environment = stack.airflow.service._env
    assert json.loads(environment["AIRFLOW_CONN_GMI_CLOUD_DEFAULT"])["host"] == stack.queue.url
    assert json.loads(environment["AIRFLOW_CONN_AWS_DEFAULT"])["extra"]["endpoint_url"] == stack.store.url
    assert environment["AWS_ENDPOINT_URL"] == stack.store.url


def test_one_that_does_not_come_up_ends_the_others(stack: Stack) -> None:
    stack.queue.service._command = [sys.executable, "-c", "raise SystemExit('no such thing')"]

    def bring_up() -> None:
        with stack:
            stack.wait_until_ready(lambda service: None)

    with pytest.raises(
        DemoError, match=r"Request queue \(simulator\) ended by itself: exit code 1"
    ) as caught:
        bring_up()
    assert caught.value.log_tail == "no such thing"
    assert not any(service.running for service in stack.services)


def test_one_that_ends_later_is_named(stack: Stack) -> None:
    with stack:
        stack.store.wait_until_ready()
        stack.store.service._process.kill()  # type: ignore[union-attr]
        stack.store.service._process.wait()  # type: ignore[union-attr]
        with pytest.raises(DemoError, match=r"S3 \(moto\) ended by itself: killed by SIGKILL"):
            stack.require_running()


def test_two_demos_do_not_share_a_folder(stack: Stack) -> None:
    other = Stack(stack.home, dags=dags_folder())
    with stack, pytest.raises(DemoError, match="Another demo is running in"):
        other.__enter__()
    assert not other.airflow.service.running


def test_a_start_that_is_cut_short_stops_what_was_started(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(service: Service) -> None:
        raise DemoError("no more processes")

    monkeypatch.setattr(stack.queue.service, "start", lambda: refuse(stack.queue.service))
    with pytest.raises(DemoError, match="no more processes"):
        stack.__enter__()
    assert not any(service.running for service in stack.services)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_everything_the_command_started(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kling_airflow", "demo", "--home", str(tmp_path / "home")]
    with (tmp_path / "output").open("w") as output:
        demo = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=tmp_path, env=os.environ
        )
    started = wait_for_children(demo, at_least=3)
    demo.send_signal(number)
    assert demo.wait(timeout=60) == 130
    assert "Everything is stopped." in (tmp_path / "output").read_text()
    assert not [
        process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]


def wait_for_children(process: subprocess.Popen[bytes], *, at_least: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None
        if len(children := psutil.Process(process.pid).children(recursive=True)) >= at_least:
            return children
        time.sleep(0.1)
    raise AssertionError("the demo started nothing")
