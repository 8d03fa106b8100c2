"""Reads the tree of a YAML, JSON or Python storyboard: a list of shots, or a mapping that holds one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kling_airflow.arguments import unsendable
from kling_airflow.storyboard.cells import Cell, Row, Written
from kling_airflow.storyboard.problems import Problem

VERSION: Final = 1
"""The version of the storyboard's format, and of its JSON Schema."""
TOP: Final = ("version", "title", "defaults", "shots")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its line.

    :param value: a scalar; a list of nodes; or a list of pairs of a key's node and a value's node, in
        :class:`Pairs`.
    """

    value: Any
    line: int | None = None


class Pairs(list[tuple[Node, Node]]):
    """The entries of a mapping, in order, doubles included."""


def read_tree(root: Node) -> Written:
    """Return what a tree says; what can't be read is among the problems."""
    written = Written()
    if isinstance(root.value, Pairs):
        _read_top(root, written)
    elif isinstance(root.value, list):
        _read_shots(root, written)
    else:
        what = "it must be a list of shots, or a mapping with `shots`"
        written.problems.append(Problem(what, line=root.line))
    return written


def _read_top(root: Node, written: Written) -> None:
    entries = _entries(root, written, shot=None)
    for name, node in entries.items():
        if name not in TOP and name != "$schema":
            what = f"unknown key `{name}`; a storyboard has {', '.join(TOP)}"
            written.problems.append(Problem(what, line=node.line))
    version = entries.get("version")
    if version is not None and (isinstance(version.value, list) or str(version.value) != str(VERSION)):
        found = "a list or a mapping" if isinstance(version.value, list) else repr(version.value)
        what = f"is {found}; this release reads version {VERSION}"
        written.problems.append(Problem(what, "version", line=version.line))
    if (title := entries.get("title")) is not None and title.value is not None:
        if isinstance(title.value, list):
            written.problems.append(Problem("must be a text", "title", line=title.line))
        elif problem := unsendable(str(title.value)):
            written.problems.append(Problem(problem, "title", line=title.line))
        else:
            written.title = str(title.value)
    if (defaults := entries.get("defaults")) is not None and defaults.value is not None:
        written.defaults = _row(defaults, written, "defaults")
    shots = entries.get("shots")
    if shots is None or not isinstance(shots.value, list) or isinstance(shots.value, Pairs):
        line = root.line if shots is None else shots.line
        written.problems.append(Problem("must be a list of shots", "shots", line=line))
    else:
        _read_shots(shots, written)


def _read_shots(shots: Node, written: Written) -> None:
    for number, node in enumerate(shots.value, 1):
        written.rows.append(_row(node, written, f"shot {number}"))


def _row(node: Node, written: Written, shot: str) -> Row:
    if not isinstance(node.value, Pairs):
        written.problems.append(Problem("it must be a mapping of fields", shot=shot, line=node.line))
        return Row({}, node.line, readable=False)
    cells: dict[str, Cell] = {}
    for name, value in _entries(node, written, shot=shot).items():
        if isinstance(value.value, list):
            what = "is a list or a mapping; it must be one value"
            written.problems.append(Problem(what, name, shot, value.line))
        elif value.value is not None:
            cells[name] = Cell(value.value, value.line)
    return Row(cells, node.line)


def _entries(node: Node, written: Written, *, shot: str | None) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for key, value in node.value:
        if isinstance(key.value, list):
            what = "a key is a list or a mapping; it must be the name of a field"
            written.problems.append(Problem(what, shot=shot, line=key.line))
            continue
        name = _printable(str(key.value))
        if name == "<<":
            what = "brings in the fields of a mapping, such as `<<: *base`; this is none"
            written.problems.append(Problem(what, name, shot, key.line))
            continue
        if name in found:
            line = found[name].line
            what = "stands twice" if line is None else f"stands twice; the first is in line {line}"
            written.problems.append(Problem(what, name, shot, key.line))
        found[name] = Node(value.value, key.line if value.line is None else value.line)
    return found


def _printable(text: str) -> str:
    """Return a key as an error can show it: nothing in it breaks a line or an encoding."""
    return text if text.isprintable() else ascii(text)[1:-1]
