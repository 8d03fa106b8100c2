"""Write the pins of a release day: ``python -m tests.matrix.pin 3.3.2``; all cells' for no version.

``python -m tests.matrix.pin --beside`` writes only what each cell has besides: it may be done at any time,
and has to be if a dependency of the package, or a tool of the suite, is another than before.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from tests.matrix.cells import CELLS, PINS, RELEASED, ROOT, Cell
from tests.matrix.environment import TOOLS, lower_bounds, uv

PROVIDERS = ("amazon[s3fs]", "common-compat", "http", "openlineage", "postgres", "standard")
"""The providers that most installations have, and what the suite and its database need."""

_MOVED = {"fsspec", "pydantic-core"}
"""What a lower bound moves that is no dependency of the package."""


def wanted(version: str) -> list[str]:
    """Return what is resolved. A pre-release's parts have to be named for uv to take them."""
    lines = [f"apache-airflow=={version}", *(f"apache-airflow-providers-{name}" for name in PROVIDERS)]
    if re.search(r"[a-z]", version) and version.startswith("3."):
        lines += [f"apache-airflow-core=={version}", f"apache-airflow-task-sdk==1{version[1:]}"]
    return lines


def pin(version: str) -> None:
    """Resolve one version for Python 3.11 and later, with what the index had on the day after its release.

    :raises RuntimeError: if the index doesn't know upload times, or has no such version.
    """
    compiled(wanted(version), PINS / f"{version}.txt", "--exclude-newer", RELEASED[version])


def pin_beside(cell: Cell) -> None:
    """Resolve what a cell has besides Airflow: of its pins only what Airflow lacks is written.

    :raises RuntimeError: if there is no solution.
    """
    bounds = lower_bounds() if cell.lowest else []
    moved = {_name(line) for line in bounds} | (_MOVED if cell.lowest else set())
    airflow = {_name(line): line for line in cell.pins.read_text().splitlines() if line}
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "held.txt"
        held.write_text("\n".join(line for name, line in airflow.items() if name not in moved) + "\n")
        wanted = [f"kling-airflow[s3] @ {ROOT.as_uri()}", *TOOLS, *bounds]
        compiled(wanted, cell.beside, "--constraint", str(held))
    lines = cell.beside.read_text().splitlines()
    kept = [line for line in lines if _name(line) not in {*airflow, *moved, "kling-airflow", "#"}]
    cell.beside.write_text("\n".join(kept) + "\n")


def compiled(lines: list[str], target: Path, *options: str) -> None:
    """Write a resolution for Python 3.11 and later."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "wanted.in"
        source.write_text("\n".join(lines) + "\n")
        uv(
            "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-header",
            "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
            "--prerelease", "if-necessary-or-explicit", *options, "-o", str(target), str(source),
        )  # fmt: skip


def _name(line: str) -> str:
    return re.split(r"[=\[ ;@]", line)[0]


if __name__ == "__main__":
    names = [name for name in sys.argv[1:] if name != "--beside"]
    chosen = [cell for cell in CELLS if cell.airflow in names or not names]
    if "--beside" not in sys.argv:
        for version in sorted({cell.airflow for cell in chosen}):
            pin(version)
    for each in {cell.beside: cell for cell in chosen}.values():
        pin_beside(each)
