"""What is typed is held against the limits before anything is started."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path

import pytest
from PIL import Image

from kling_airflow.cli import demo as demo_command
from kling_airflow.demo import cluster, options
from kling_airflow.demo.errors import DemoError


def checked(*arguments: str) -> options.Options:
    parser = argparse.ArgumentParser()
    demo_command.add_arguments(parser)
    return demo_command.checked(parser.parse_args(arguments))


def test_by_default_the_two_photographs_make_a_clip_with_sound() -> None:
    made = checked()
    assert (made.start.name, made.end and made.end.name) == ("rocket.jpg", "hubble_deep_field.jpg")
    assert made.start.is_file()
    assert (made.duration, made.sound, made.keep) == (5, True, False)


def test_an_own_start_frame_ends_where_the_model_likes(tmp_path: Path) -> None:
    own = tmp_path / "own.png"
    Image.new("RGB", (640, 360)).save(own)
    assert checked("--start", str(own)).end is None
    assert checked("--start", str(own), "--end", str(own)).end == own
    assert checked("--end", str(own)).start == options.START


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--duration", "2"], "`duration` is '2'; it must be 3 to 15 seconds"),
        (["--duration", "16"], "`duration` is '16'; it must be 3 to 15 seconds"),
        (["--duration", "5.5"], "`duration` is '5.5': it must be a whole number of seconds"),
        (["--duration", "long"], "`duration` is 'long'"),
        (["--prompt", " "], "`prompt` is ' ': it must not be empty"),
        (["--prompt", "x" * 2501], "`prompt` has 2501 characters; the limit is 2500"),
        (["--speed", "0"], "--speed 0: it must be more than 0"),
        (["--port", "99999"], "--port 99999"),
    ],
)
def test_what_breaks_a_limit_is_named(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DemoError) as caught:
        checked(*arguments)
    assert message in caught.value.reason


@pytest.mark.parametrize("option", ["--start", "--end"])
def test_a_frame_that_is_not_there_or_no_image_is_named(option: str, tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=f"{option} .*absent.png: there is no such file"):
        checked(option, str(tmp_path / "absent.png"))
    text = tmp_path / "text.png"
    text.write_text("not a picture")
    with pytest.raises(DemoError, match=f"{option} .*text.png: this is not an image"):
        checked(option, str(text))


def test_a_busy_port_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(DemoError, match="--port"):
            checked("--port", str(taken.getsockname()[1]))


def test_a_missing_package_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    options.require_tools()
    monkeypatch.setitem(options.NEEDED, "a_module_that_is_not_there", "the-package")
    with pytest.raises(DemoError, match=r"Missing here: the-package\. .*pip install 'kling_airflow\[demo\]'"):
        options.require_tools()


def test_a_python_without_airflow_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Path(cluster.airflow_executable()).is_file()
    monkeypatch.setattr(cluster.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(cluster.sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(DemoError, match=rf"no `airflow` command in {tmp_path}"):
        cluster.airflow_executable()


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    demo_command.add_arguments(parser)
    return demo_command.run(parser.parse_args(arguments))


def test_the_command_prints_the_reason_and_exits_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert run("--port", str(taken.getsockname()[1])) == 1
        assert "in use. Choose another with --port" in capsys.readouterr().out
    assert run("--duration", "99") == 1
    assert "`duration` is '99'; it must be 3 to 15 seconds" in capsys.readouterr().out
    assert run("--start", "absent.png") == 1
    assert "--start absent.png: there is no such file." in capsys.readouterr().out
    monkeypatch.setitem(options.NEEDED, "a_module_that_is_not_there", "the-package")
    assert run("--home", str(tmp_path / "home")) == 1
    assert "Missing here: the-package." in capsys.readouterr().out
    assert not (tmp_path / "home").exists()
