"""The house's rules: imports run one way, without a circle; small rooms; Airflow stays above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.structure.imports import ROOT, circles, module_graph, modules, room_graph, room_of

WITHOUT_AIRFLOW = {
    *("arguments", "clip", "errors", "gmi", "media", "models", "nested", "payloads", "polling", "prices"),
    "storyboard",
}
KNOWS_AIRFLOW = {"kling_airflow.submission.task_state"}
"""The one module of ``submission/`` that speaks to Airflow: the ledger in its task state store."""


def test_no_module_imports_itself_through_others() -> None:
    assert circles(module_graph()) == []


def test_no_room_imports_itself_through_others() -> None:
    assert circles(room_graph()) == []


def test_a_circle_would_be_found() -> None:
    graph = {"a": frozenset({"b"}), "b": frozenset({"c"}), "c": frozenset({"a"}), "d": frozenset({"a"})}
    assert circles(graph) == [["a", "b", "c"]]


def test_the_simulator_reads_the_contract_by_itself() -> None:
    assert room_graph()["simulator"] == frozenset()


@pytest.mark.parametrize("room", sorted({*WITHOUT_AIRFLOW, "submission", "simulator"}))
def test_what_stands_below_knows_nothing_of_airflow(room: str) -> None:
    found = [
        name
        for name, path in modules().items()
        if room_of(name) == room and name not in KNOWS_AIRFLOW and _imports_airflow(path)
    ]
    assert found == []


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_room_is_larger_than_300_lines(name: str) -> None:
    assert len(modules()[name].read_text().splitlines()) <= 300


def test_the_tests_mirror_the_package() -> None:
    """Each test module that is named after a module stands in the folder of its room."""
    rooms = {room_of(name) for name in modules() if name.count(".") > 1}
    strays = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "tests").glob("test_*.py"))
        if f"kling_airflow.{path.stem.removeprefix('test_')}" not in modules()
        and path.stem != "test_import_cost"
    ]
    assert strays == ["tests/test_main.py"]
    assert rooms <= {path.name for path in (ROOT / "tests").iterdir()}


def _imports_airflow(path: Path) -> bool:
    named: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            named.add(node.module)
    return any(name.split(".")[0] == "airflow" or name == "kling_airflow.airflow_compat" for name in named)
