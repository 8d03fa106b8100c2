"""The names that `kling_airflow.simulator` exports, and the example in its docstring."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

import kling_airflow.simulator as package

NAMES = ["Account", "Clock", "LedgerEntry", "ManualClock", "Settings", "Simulator"]


def test_exported_names() -> None:
    assert package.__all__ == NAMES
    assert dir(package) == NAMES
    assert [getattr(package, name).__name__ for name in NAMES] == NAMES


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Emulator'"):
        _ = package.Emulator


def test_importing_the_package_loads_nothing_else() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, kling_airflow.simulator; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    assert [name for name in loaded if name.startswith("kling_airflow.")] == ["kling_airflow.simulator"]
    assert not {"fastapi", "uvicorn", "pydantic", "PIL", "av", "airflow"} & set(loaded)


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = (package.__doc__ or "").split("\n\n")
    example = textwrap.dedent("\n\n".join(block for block in blocks if block.startswith("    ")))
    assert len([line for line in example.splitlines() if line]) <= 5
    exec(compile(example, "example", "exec"), {})
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")
