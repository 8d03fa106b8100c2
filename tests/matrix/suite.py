"""The unit suite in a cell: what each test file did last there, and on which commit."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from tests.matrix.cells import ROOT

Files = dict[str, dict[str, Any]]
ENDED: Final = (0, 1, 5)
"""How pytest ends if it has run everything: all passed, some failed, or each module was skipped. A file that
the report lacks counts as not run, see :func:`total`."""


def commit() -> str:
    """Return the commit of the checkout, with a ``+`` behind it if something was changed since."""
    described = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(described, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def files_of(report: Path, folder: Path) -> Files:
    """Return what each test file of a JUnit report did.

    :param folder: that the tests were run in.
    """
    found: Files = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        kind, name = case.get("classname") or "", case.get("name") or ""
        file = _file_of(kind or name, folder)
        counted = found.setdefault(file, {"passed": 0, "skipped": 0, "failed": []})
        if case.find("failure") is not None or case.find("error") is not None:
            counted["failed"].append(f"{kind}::{name}")
        else:
            counted["skipped" if case.find("skipped") is not None else "passed"] += 1
    return found


def _file_of(dotted: str, folder: Path) -> str:
    """Return the file of ``tests.gmi.test_client.TestRetries``."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        if (folder / Path(*parts[:count])).with_suffix(".py").is_file():
            return "/".join(parts[:count]) + ".py"
    return dotted


def read(path: Path) -> Files:
    """Return what was kept, nothing where nothing was."""
    kept: Files = json.loads(path.read_text()) if path.exists() else {}
    return kept


def keep(path: Path, now: Files, tested: str) -> Files:
    """Add what was run now to what was kept, and return all of it.

    :param tested: the commit that the files were copied from; the checkout may have moved on since.
    """
    found = read(path) | {name: {**counted, "commit": tested} for name, counted in now.items()}
    path.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    return found


def total(files: Files, wanted: list[str]) -> dict[str, Any]:
    """Return the sums, the names of what failed, and the commits that the files were run on.

    :param wanted: the files that count; those among them that were never run are ``missing``.
    """
    there = [files[name] for name in wanted if name in files]
    failed = sorted(name for counted in there for name in counted["failed"])
    missing = [name for name in wanted if name not in files]
    return {
        "passed": sum(counted["passed"] for counted in there),
        "failed": failed,
        "skipped": sum(counted["skipped"] for counted in there),
        "missing": missing,
        "commits": sorted({counted["commit"] for counted in there}),
        "summary": "failed" if failed or missing or not there else "passed",
    }
