"""The console script: subcommands are loaded when they are called."""

from __future__ import annotations

import argparse
import subprocess
import sys
from types import ModuleType

import pytest

import kling_airflow
from kling_airflow import __main__ as script

HEAVY = ("airflow", "fastapi", "uvicorn", "PIL", "av", "aiohttp", "pydantic", "requests", "moto")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A subcommand `test` that returns the number it is given."""
    module = ModuleType("command_of_a_test")

    def add_arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--code", type=int, required=True)

    vars(module).update(add_arguments=add_arguments, run=lambda args: args.code)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(script.COMMANDS, "test", (module.__name__, "be tested"))
    monkeypatch.setitem(script.COMMANDS, "broken", ("no_such_module_anywhere", "be missing"))
    return module


def test_runs_a_subcommand_and_returns_its_code(command: ModuleType) -> None:
    assert script.main(["test", "--code", "7"]) == 7


def test_a_missing_module_breaks_only_its_own_subcommand(command: ModuleType) -> None:
    assert script.main(["test", "--code", "0"]) == 0
    with pytest.raises(ModuleNotFoundError):
        script.main(["broken"])


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["test"], ["test", "--code", "x"]])
def test_wrong_usage_exits_with_2(
    command: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        script.main(arguments)
    assert caught.value.code == 2
    assert "usage: kling-airflow" in capsys.readouterr().err


def test_help_lists_the_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        script.main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "simulator" in shown
    assert "demo" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        script.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"kling-airflow {kling_airflow.__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from kling_airflow.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "HEAVY []"


@pytest.mark.parametrize(("command", "module"), [("simulator", "uvicorn"), ("demo", "rich")])
def test_a_command_names_the_extra_that_it_needs(command: str, module: str) -> None:
    """As in an installation without extras, where a traceback would be all there is."""
    code = (
        f"import sys; sys.modules[{module!r}] = None;"
        f"from kling_airflow.__main__ import main; sys.exit(main([{command!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"pip install 'kling_airflow[{command}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_part_of_the_package_that_is_missing_is_no_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kling_airflow.simulator.server", None)
    with pytest.raises(ModuleNotFoundError):
        script.main(["simulator", "--port", "0"])
