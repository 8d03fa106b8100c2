"""A benchmark's result: an aligned table on the terminal, the same as JSON in ``benchmarks/out``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

OUT = Path(__file__).parent / "out"


def machine() -> str:
    """Return what the numbers were measured on."""
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, Airflow {version('apache-airflow')}"
    )


def publish(
    name: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, notes: Sequence[str] = ()
) -> None:
    """Print the table and write it to ``benchmarks/out/NAME.json``.

    :param name: the file's name.
    :param title: what was measured, with the unit.
    :param columns: headings.
    :param rows: a cell for each heading; numbers are aligned to the right.
    :param notes: sentences below the table.
    """
    now = datetime.now(UTC)
    print(render(title, columns, rows, notes=notes, subtitle=f"{now:%Y-%m-%d}, {machine()}"), flush=True)
    OUT.mkdir(parents=True, exist_ok=True)
    result = {
        "name": name,
        "title": title,
        "date": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": [dict(zip(columns, row, strict=True)) for row in rows],
        "notes": list(notes),
    }
    (OUT / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def render(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    notes: Sequence[str] = (),
    subtitle: str = "",
) -> str:
    """Return the table as text.

    :param subtitle: a line below the title.
    """
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(columns), *cells]) for i in range(len(columns))]
    numeric = [all(isinstance(row[i], int | float | None) for row in rows) for i in range(len(columns))]

    def line(parts: Sequence[str]) -> str:
        padded = (
            part.rjust(width) if right else part.ljust(width)
            for part, width, right in zip(parts, widths, numeric, strict=True)
        )
        return "  ".join(padded).rstrip()

    head = [title, *([subtitle] if subtitle else []), ""]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([*head, line(columns), rule, *map(line, cells), *([""] if notes else []), *notes, ""])


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.1f}" if abs(cell) < 1000 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
