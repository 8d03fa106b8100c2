"""Write the pins of a release day: ``python -m tests.matrix.pin 3.3.2``; all cells' for no version."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from tests.matrix.cells import CELLS, PINS, RELEASED
from tests.matrix.environment import uv

BESIDE = ("amazon[s3fs]", "common-compat", "http", "openlineage", "postgres", "standard")
"""The providers that most installations have, and what the suite and its database need."""


def wanted(version: str) -> list[str]:
    """Return what is resolved. A pre-release's parts have to be named for uv to take them."""
    lines = [f"apache-airflow=={version}", *(f"apache-airflow-providers-{name}" for name in BESIDE)]
    if re.search(r"[a-z]", version) and version.startswith("3."):
        lines += [f"apache-airflow-core=={version}", f"apache-airflow-task-sdk==1{version[1:]}"]
    return lines


def pin(version: str) -> None:
    """Resolve one version for Python 3.11 and later, with what the index had on the day after its release.

    :raises RuntimeError: if the index doesn't know upload times, or has no such version.
    """
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "wanted.in"
        source.write_text("\n".join(wanted(version)) + "\n")
        uv(
            "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-header",
            "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
            "--exclude-newer", RELEASED[version], "-o", str(PINS / f"{version}.txt"), str(source),
        )  # fmt: skip


if __name__ == "__main__":
    for chosen in sys.argv[1:] or sorted({cell.airflow for cell in CELLS}):
        pin(chosen)
