"""A service is started in a group of its own and leaves nothing behind, however its family behaves."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from kling_airflow.demo.errors import DemoError
from kling_airflow.demo.service import Service

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
SAY_READY = "import pathlib; pathlib.Path('ready').touch()"
SLEEP = "import time; time.sleep(300)"


@pytest.fixture
def services() -> Iterator[list[Service]]:
    started: list[Service] = []
    yield started
    for service in started:
        service.stop(grace=0)


def start(folder: Path, services: list[Service], program: str) -> Service:
    service = Service(
        "the service",
        [sys.executable, "-c", dedent(program)],
        log=folder / "logs" / "service.log",
        env=dict(os.environ),
        cwd=folder,
    )
    services.append(service)
    service.start()
    return service


def wait_for_file(service: Service, file: Path) -> None:
    service.wait_until_ready(file.exists, timeout=30)


def test_it_runs_apart_from_the_terminal_and_stops(tmp_path: Path, services: list[Service]) -> None:
    service = start(
        tmp_path, services, f"import os; open('group', 'w').write(str(os.getsid(0))); {SAY_READY}; {SLEEP}"
    )
    wait_for_file(service, tmp_path / "ready")
    assert service.running
    assert service.ready_after is not None
    assert int((tmp_path / "group").read_text()) != os.getsid(0)
    service.stop()
    assert not service.running


def test_stopping_reaches_children_in_groups_of_their_own(tmp_path: Path, services: list[Service]) -> None:
    """As Airflow's tasks are; and they outlive their parent when it dies of SIGTERM."""
    child = f"import pathlib, os; pathlib.Path('child').write_text(str(os.getpid())); {SAY_READY}; {SLEEP}"
    service = start(
        tmp_path,
        services,
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}], process_group=0)",
    )
    wait_for_file(service, tmp_path / "ready")
    pid = int((tmp_path / "child").read_text())
    assert os.getpgid(pid) == pid
    service.stop()
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_what_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path, services: list[Service]) -> None:
    service = start(tmp_path, services, f"{STUBBORN}; {SAY_READY}; {SLEEP}")
    wait_for_file(service, tmp_path / "ready")
    before = time.monotonic()
    service.stop(grace=0.5)
    assert not service.running
    assert time.monotonic() - before < 10


def test_stopping_twice_or_before_the_start_is_fine(tmp_path: Path, services: list[Service]) -> None:
    service = start(tmp_path, services, SLEEP)
    service.stop()
    service.stop()
    Service("never started", ["true"], log=tmp_path / "log", env={}, cwd=tmp_path).stop()


def test_ending_before_it_is_ready_shows_the_logs_tail(tmp_path: Path, services: list[Service]) -> None:
    service = start(
        tmp_path, services, "for n in range(100): print('line', n)\nraise SystemExit('Address in use')"
    )
    with pytest.raises(DemoError, match="the service ended by itself: exit code 1") as caught:
        service.wait_until_ready(lambda: False, timeout=30)
    lines = caught.value.log_tail.splitlines()
    assert len(lines) == 30
    assert lines[-1] == "Address in use"
    assert caught.value.log_name == str(service.log)


def test_being_killed_from_outside_is_told_as_such(tmp_path: Path, services: list[Service]) -> None:
    service = start(tmp_path, services, "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(DemoError, match="killed by SIGKILL"):
        service.wait_until_ready(lambda: False, timeout=30)


def test_not_being_ready_in_time_is_an_error(tmp_path: Path, services: list[Service]) -> None:
    def refused() -> bool:
        raise ConnectionRefusedError

    service = start(tmp_path, services, SLEEP)
    with pytest.raises(DemoError, match="was not ready after 1 s"):
        service.wait_until_ready(refused, timeout=1)


def test_a_port_that_was_taken_meanwhile_is_told_at_once(tmp_path: Path, services: list[Service]) -> None:
    service = start(tmp_path, services, f"print('[Errno 98] Address already in use', flush=True); {SLEEP}")
    with pytest.raises(DemoError, match="another program has its port") as caught:
        service.wait_until_ready(lambda: False, timeout=60)
    assert "Errno 98" in caught.value.log_tail


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    service = Service("it", [str(tmp_path / "absent")], log=tmp_path / "log", env={}, cwd=tmp_path)
    with pytest.raises(DemoError, match=r"it can't be started: .*absent"):
        service.start()
