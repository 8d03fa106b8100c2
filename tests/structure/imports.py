"""The imports of the package, read from its source: also those in functions and under ``TYPE_CHECKING``."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "kling_airflow"
Graph = Mapping[str, frozenset[str]]


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> Mapping[str, Path]:
    """Return every module of the package by its name."""
    return {module_name(path): path for path in sorted((ROOT / PACKAGE).rglob("*.py"))}


@cache
def module_graph() -> Graph:
    """Return, for each module, the modules of the package that it imports."""
    return {name: frozenset(_imports(name, path)) for name, path in modules().items()}


def room_of(module: str) -> str:
    """Return the room that a module stands in: its folder, or the module itself at the top of the package."""
    return module.split(".")[1] if "." in module else module


@cache
def room_graph() -> Graph:
    """Return, for each room, the other rooms that it imports."""
    rooms: defaultdict[str, set[str]] = defaultdict(set)
    for module, imported in module_graph().items():
        rooms[room_of(module)] |= {room_of(other) for other in imported} - {room_of(module)}
    return {room: frozenset(others) for room, others in rooms.items()}


def circles(graph: Graph) -> list[list[str]]:
    """Return every group of nodes that reach each other, sorted; none in a graph without a circle."""
    reach = {node: _reachable(graph, node) for node in graph}
    found = {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in graph if a in reach[a]}
    return sorted(list(group) for group in found)


def reduced(graph: Graph) -> dict[str, frozenset[str]]:
    """Leave out each arrow that a longer way says as well; the graph must have no circle."""
    reach = {node: _reachable(graph, node) for node in graph}
    return {
        node: frozenset(to for to in others if not any(to in reach[by] for by in others if by != to))
        for node, others in graph.items()
    }


def _reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    todo = list(graph.get(start, ()))
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += graph.get(node, ())
    return found


def _imports(name: str, path: Path) -> Iterable[str]:
    known = modules()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            named = [f"{node.module}.{alias.name}" for alias in node.names]
            named = [each if each in known else node.module for each in named]
        else:
            continue
        yield from (each for each in named if each in known and each not in {name, PACKAGE})
