"""`kling-airflow simulator` as a process, its flags and its settings file."""

from __future__ import annotations

import argparse
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from kling_airflow.cli.simulator import add_arguments
from kling_airflow.simulator.config_file import load
from kling_airflow.simulator.settings import Settings
from tests.simulator.client import FRAME, Queue, base64_picture

COMMAND = [sys.executable, "-m", "kling_airflow", "simulator"]
TOML = """
speed = 5000.0
render = "fast"
cancel = "405"

[[accounts]]
key = "key-a"
name = "a"
organization = "org-a"
credit_usd = 1.0

[[accounts]]
key = "key-b"
name = "b"
organization = "org-b"

[[faults]]
name = "list-lag"
lag = 5
"""


def _handle_ctrl_c() -> None:
    """Handle Ctrl-C: the shell that started the tests may have set it to be ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process, and the lines that it has printed when it is ready."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *arguments], stdout=subprocess.PIPE, text=True, preexec_fn=_handle_ctrl_c
    )
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line.rstrip())
            if "Ctrl-C" in line:
                break
        yield process, lines
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_prints_address_key_and_connection_and_stops_on_ctrl_c() -> None:
    with running("--speed", "5000", "--render", "fast") as (process, lines):
        export = next(line for line in lines if "AIRFLOW_CONN_GMI_CLOUD_DEFAULT" in line)
        match = re.fullmatch(r"\s*export AIRFLOW_CONN_GMI_CLOUD_DEFAULT='(.*)'", export)
        assert match is not None
        connection = json.loads(match.group(1))
        assert connection["conn_type"] == "gmi_cloud"
        assert any(connection["host"] in line for line in lines)
        queue = Queue(connection["host"], connection["password"])
        assert queue.finished(queue.submit())["status"] == "success"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_prints_what_happens_and_why(capfd: pytest.CaptureFixture[str]) -> None:
    with running("--speed", "5000", "--render", "fast") as (_, lines):
        base_url = next(match.group(0) for line in lines if (match := re.search(r"http://[\d.:]+", line)))
        queue = Queue(base_url, "gmi-simulator-key")
        request_id = queue.submit()
        queue.finished(request_id)
        queue.post({"prompt": "p", "image": base64_picture(width=100, height=100)})
    said = capfd.readouterr().err
    assert f"{request_id}: kling-v3-image-to-video is created, $0.84 are held" in said
    assert f"{request_id}: the request is success" in said
    assert "A frame is unusable: 100x100, each side must be at least 300 pixels" in said


def test_quiet_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with running("--speed", "5000", "--render", "fast", "--quiet") as (_, lines):
        base_url = next(match.group(0) for line in lines if (match := re.search(r"http://[\d.:]+", line)))
        Queue(base_url, "gmi-simulator-key").submit("inworld-tts-1.5-max", text="t")
    assert capfd.readouterr().err == ""


def test_reads_a_file_that_flags_override(tmp_path: Path) -> None:
    config = tmp_path / "simulator.toml"
    config.write_text(TOML)
    with running("--config", str(config), "--cancel", "404") as (process, lines):
        base_url = next(match.group(0) for line in lines if (match := re.search(r"http://[\d.:]+", line)))
        poor, rich = Queue(base_url, "key-a"), Queue(base_url, "key-b")
        assert poor.post({"prompt": "p", "image": FRAME, "duration": "15"}).status_code == 402
        request_id = rich.submit()
        assert rich.call("DELETE", f"/requests/{request_id}").status_code == 404
        faults = requests.get(f"{base_url}/_simulator/faults", timeout=5).json()["faults"]
        assert [(fault["name"], fault["lag"]) for fault in faults] == [("list-lag", 5)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) in (0, 143, -signal.SIGTERM)


def test_allowed_hosts_can_be_named() -> None:
    with running("--allowed-host", "one.internal", "--allowed-host", "two.internal") as (_, lines):
        base_url = next(match.group(0) for line in lines if (match := re.search(r"http://[\d.:]+", line)))
        queue = Queue(base_url, "gmi-simulator-key")
        for host, status in (("one.internal", 200), ("two.internal:80", 200), ("three.internal", 421)):
            assert queue.call("GET", "/models", headers={"Host": host}).status_code == status


def test_a_busy_port_ends_with_the_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--port", port], capture_output=True, text=True, timeout=30, check=False
        )
    assert done.returncode == 1
    assert (
        done.stderr == f"kling-airflow simulator: cannot listen on 127.0.0.1:{port}: Address already in use\n"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--speed", "0"], "speed: Input should be greater than 0, not '0'"),
        (["--accounts-file"], "unrecognized arguments"),
        (["--render", "slow"], "invalid choice: 'slow'"),
        (["--config", "/nowhere.toml"], "/nowhere.toml: No such file or directory"),
    ],
)
def test_wrong_flags_end_with_the_reason(arguments: list[str], said: str) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("speed = 'fast'", "speed: Input should be a valid number"),
        ("sped = 2", "sped: Extra inputs are not permitted"),
        ("speed = ", "Invalid value"),
        ("accounts = []", "accounts: "),
        ("[[accounts]]\nname = 'a'", "accounts.0.key: Field required"),
        ("[[accounts]]\nkey = 'k'\n[[accounts]]\nkey = 'k'", "the same key is given twice"),
        ("[[faults]]\nname = 'nonsense'", "no fault is called 'nonsense'"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(text)
    with pytest.raises(ValueError, match="wrong.toml: ") as caught:
        load(config)
    assert said in str(caught.value)


def test_file_and_overrides(tmp_path: Path) -> None:
    config = tmp_path / "simulator.toml"
    config.write_text(TOML)
    settings = load(config, speed=2)
    assert (settings.speed, settings.cancel, len(settings.accounts)) == (2, "405", 2)
    assert Settings().accounts[0].key == "gmi-simulator-key"


def test_every_setting_is_a_flag_and_explained() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    explained = {action.dest: action.help for action in parser._actions}
    assert all(explained.values())
    assert set(Settings.model_fields) - set(explained) == {"accounts", "faults"}
