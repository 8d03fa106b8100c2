"""No line of a wait is written on a triggerer's event loop: `polling/log_lines.py` says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import kling_airflow

PACKAGE = Path(kling_airflow.__file__).parent
ON_THE_LOOP = sorted(path for folder in ("triggers", "polling") for path in (PACKAGE / folder).glob("*.py"))
METHODS = {"debug", "info", "warning", "error"}
"""`exception` is left out: its traceback is there only where it is caught, and it is rare."""


def lines_at_once(source: str) -> Iterator[int]:
    """Yield the numbers of lines that call a logger's method themselves."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            owner = node.func.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name in {"log", "logger"}:
                yield node.lineno


@pytest.mark.parametrize("path", ON_THE_LOOP, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_line_holds_up_the_event_loop(path: Path) -> None:
    assert list(lines_at_once(path.read_text())) == []


@pytest.mark.parametrize("line", ["log.info('x')", "self.log.warning('x')"])
def test_a_line_on_the_event_loop_is_found(line: str) -> None:
    assert list(lines_at_once(line)) == [1]
