"""How the simulator's modules import each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import kling_airflow.simulator

ROOT = Path(kling_airflow.simulator.__file__).parent
PACKAGE = "kling_airflow.simulator"
BELOW = {"media": set(), "queue": {"media"}, "faults": {"queue"}, "http": {"faults", "media", "queue"}}
"""The rooms, and the rooms that each may import."""


def modules() -> dict[str, Path]:
    """Every module of the simulator by its dotted name."""
    names = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join((PACKAGE, *parts)).removesuffix(".__init__")] = path
    return names


def imported(path: Path) -> Iterator[str]:
    """Every name that a file imports, in functions and under TYPE_CHECKING as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str | None:
    parts = module.removeprefix(PACKAGE + ".").split(".")
    return parts[0] if parts[0] in BELOW else None


def test_no_module_imports_itself_by_a_detour() -> None:
    known = modules()
    graph = {
        name: {other for other in imported(path) if other in known and other != PACKAGE} - {name}
        for name, path in known.items()
        if name != PACKAGE
    }
    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


def test_rooms_import_only_the_rooms_below() -> None:
    known = modules()
    for name, path in known.items():
        own = room(name)
        if own is None:
            continue
        others = {room(other) for other in imported(path) if other in known} - {None, own}
        assert others <= BELOW[own], f"{name} imports from {sorted(map(str, others - BELOW[own]))}"


def test_nothing_of_the_rest_of_the_package_is_imported() -> None:
    for name, path in modules().items():
        foreign = [
            other
            for other in imported(path)
            if other.startswith("kling_airflow.")
            and not other.startswith((PACKAGE, "kling_airflow.__version__"))
        ]
        assert foreign == [], f"{name} imports {foreign}"
