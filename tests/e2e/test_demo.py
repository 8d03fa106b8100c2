"""``kling-airflow demo`` as a person runs it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest
import requests
from PIL import Image

from kling_airflow.demo.options import START

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]
SECONDS = 240
FILM_SECONDS = 840
"""Eight tasks one after another: two minutes on an idle machine."""


@contextmanager
def demo(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run the command in a folder; yield the process and the file of what it prints."""
    command = [sys.executable, "-m", "kling_airflow", "demo", *arguments]
    shown = folder / "shown.txt"
    with shown.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
    try:
        yield process, shown
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def test_two_photographs_become_a_clip_and_ctrl_c_ends_every_process(tmp_path: Path) -> None:
    with demo(tmp_path, "--no-sound", "--duration", "3", "--keep") as (process, shown):
        text = wait_for_text(process, shown, "until you press Ctrl-C")
        for line in (
            "wait         deferred",
            "no worker slot is used",
            "Your clip has landed",
            "$0.50 on the real service",
        ):
            assert line in text
        files = {file.suffix: file for file in (tmp_path / "demo-output").iterdir()}
        assert files[".mp4"].read_bytes()[4:8] == b"ftyp"
        assert json.loads(files[".json"].read_text())
        assert files[".jpg"].read_bytes()[:3] == b"\xff\xd8\xff"
        log_in(text)

        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) > 5
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert not [one for one in started if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def log_in(text: str) -> None:
    """The printed address and login lead into Airflow."""
    (address,) = re.findall(r"Airflow +(http://\S+?)/dags/", text)
    ((name, password),) = re.findall(r"Login +(\S+) +password (\S+)", text)
    answer = requests.post(f"{address}/auth/token", json={"username": name, "password": password}, timeout=30)
    assert answer.status_code == 201


@pytest.mark.timeout(960)
def test_a_storyboard_becomes_a_film_in_the_output_folder(tmp_path: Path) -> None:
    options = ("--story", "--no-sound", "--duration", "3", "--speed", "100")
    with demo(tmp_path, *options) as (process, shown):
        assert process.wait(timeout=FILM_SECONDS) == 0, shown.read_text()
    text = shown.read_text()
    assert "Your film has landed" in text
    for name in ("launch", "flight", "arrival.1", "arrival.2"):
        assert re.search(rf"{re.escape(name)} +landed +3\.\d\d +\$0\.50", text), text
    assert "4 requests, by the simulator's ledger" in text
    files = {file.name: file for file in (tmp_path / "demo-output").iterdir()}
    film, sheet = files["film.mp4"], files["contact-sheet.jpg"]
    assert film.read_bytes()[4:8] == b"ftyp"
    with Image.open(sheet) as picture:
        picture.load()
        assert picture.format == "JPEG"
    assert json.loads(files["report.json"].read_text())["landed"] == 4
    assert json.loads(files["film.otio"].read_text())["OTIO_SCHEMA"].startswith("Timeline")
    assert files["film.vtt"].read_text().startswith("WEBVTT")


def test_a_failed_task_ends_with_the_reason_and_its_log(tmp_path: Path) -> None:
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(START.read_bytes()[:20_000])
    with demo(tmp_path, "--start", str(torn)) as (process, shown):
        assert process.wait(timeout=SECONDS) == 1
    text = shown.read_text()
    assert re.search(r"Task `start_frame` failed\. InvalidFrame: .*can't be decoded", text), text
    assert "The end of the log of task `start_frame`" in text
    assert not (tmp_path / "demo-output").exists()


def wait_for_text(process: subprocess.Popen[bytes], file: Path, text: str) -> str:
    deadline = time.monotonic() + SECONDS
    while text not in (shown := file.read_text()):
        assert process.poll() is None, shown
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)
    return shown
