"""Reads a storyboard of CSV: a head, and a row for each shot."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from kling_airflow.storyboard.cells import Cell, Row, Written
from kling_airflow.storyboard.problems import Problem

_DELIMITERS: Final = ",;\t"
_NAMED: Final = "sep="


def read_csv(text: str) -> Written:
    """Read CSV with a head; commas, semicolons or tabs between the cells. An empty cell is not given."""
    head = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    written = Written()
    names: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            begins, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells) or (names is None and cells[0] == _NAMED):
                continue
            if names is None:
                names = [cell.strip() for cell in cells]
                doubles = sorted({name for name in names if name and names.count(name) > 1})
                problems = [Problem("is the head of two columns", name, line=begins) for name in doubles]
                written.problems += problems
            else:
                _read_row(cells, names, begins, written)
    except csv.Error as error:
        written.problems.append(Problem(f"it is no CSV: {error}", line=reader.line_num))
    if names is None and not written.problems:
        written.problems.append(Problem("it is empty", line=1))
    return written


def _read_row(cells: Sequence[str], names: Sequence[str], line: int, written: Written) -> None:
    """Read the row of a shot; spreadsheets leave empty cells at its end, under no head."""
    shot = f"shot {len(written.rows) + 1}"
    filled = max(number for number, cell in enumerate(cells, 1) if cell.strip())
    if filled > len(names):
        what = f"it has {filled} cells; the head has {len(names)}. Quote a text with commas"
        written.problems.append(Problem(what, shot=shot, line=line))
    row: dict[str, Cell] = {}
    for column, (name, cell) in enumerate(zip(names, cells, strict=False), 1):
        if name and cell.strip():
            row[name] = Cell(cell.strip(), line)
        elif cell.strip():
            what = f"its cell {column} is {cell.strip()[:40]!r}, and column {column} has no head"
            written.problems.append(Problem(what, shot=shot, line=line))
    written.rows.append(Row(row, line))
