"""A storyboard as it was written: each value with its line, before anything is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_airflow.storyboard.problems import Problem


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a file.

    :param value: what was written. Of YAML and CSV it is the text as it stands there, whatever YAML makes of
        it (``no``, ``16:9``, ``007``); of JSON and Python it is the value.
    :param line: the line of the file; None if there is no file.
    """

    value: Any
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one shot, or of the defaults.

    :param cells: the fields by name; one that was left empty is not among them.
    :param line: the line on which it begins.
    :param readable: False if it is no mapping of fields, which is among the problems.
    """

    cells: Mapping[str, Cell]
    line: int | None = None
    readable: bool = True


@dataclass(slots=True)
class Written:
    """A whole storyboard as it was written.

    :param rows: the shots, in order.
    :param defaults: the fields that each shot has if it doesn't name its own.
    :param title: the storyboard's title; None if it has none.
    :param problems: what is wrong with the file itself.
    """

    rows: list[Row] = field(default_factory=list)
    defaults: Row = field(default_factory=lambda: Row({}))
    title: str | None = None
    problems: list[Problem] = field(default_factory=list)
