"""The table of ``docs/compatibility.md``, made of what the cells found: ``python -m tests.matrix.table``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from tests.matrix.cells import CELLS, RELEASED, RESULTS, ROOT

PAGE: Final = ROOT / "docs" / "compatibility.md"
_MARKS: Final = re.compile(r"(<!-- cells -->\n).*?(<!-- /cells -->)", re.DOTALL)
_FEATURE_MARKS: Final = re.compile(r"(<!-- features -->\n).*?(<!-- /features -->)", re.DOTALL)
_FEATURES: Final = {
    "task state store": "Remembers orders without setup (task state store)",
    "trigger on_kill": "A user who ends a waiting task cancels its request (trigger `on_kill`)",
    "state of a task for its worker": "The same on a worker (`deferrable=False`)",
    "connection form": "Connection form with its own fields",
    "connection test": "Connection can be tested (*Test* button, API)",
    "extra links": "Links of a task",
    "retry policy": "`kling_retry_policy()`",
    "pages of plugins": "Place for a gallery (pages of plugins)",
    "loops": "Loops (`@task_group.loop`)",
}
"""What the probe calls a feature, and what the page does."""

_HEADINGS: Final = (
    "| Airflow | Python | installs; moved | metadata | example DAG | suite: passed / failed"
    " | billed after: the triggerer was killed / the worker was killed / a clear |"
)
_STEPS: Final = ("deferred", "killed", "cleared")
Results = dict[str, dict[str, Any]]


def results() -> dict[str, dict[str, Any]]:
    """Return the kept result of each cell that has one, by its name."""
    found = {}
    for cell in CELLS:
        path = RESULTS / f"{cell.name}.json"
        if path.exists():
            found[cell.name] = json.loads(path.read_text())
    return found


def cells_table(found: dict[str, dict[str, Any]]) -> str:
    """Return one row for each cell: what was done in it, and how it ended."""
    lines = [_HEADINGS, "|---|---|---|---|---|---|---|"]
    for cell in CELLS:
        result = found.get(cell.name)
        python = f"{cell.python}{', lower bounds' if cell.lowest else ''}"
        columns = _columns(result) if result else ["not run yet"] + [""] * 4
        lines.append(f"| {cell.airflow} | {python} | {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def _columns(result: dict[str, Any]) -> list[str]:
    if "added" not in result:
        return ["**no**"] + [""] * 4
    moved = len(result["moved"])
    suite = result.get("suite")
    live = []
    for proof in result.get("live", []):
        billed = " / ".join(str(proof[step]["billed"]) for step in _STEPS)
        live.append(f"{proof['ledger']}: {billed}")
    return [
        f"yes; {moved or 'nothing'}",
        "yes" if result.get("metadata", {}).get("schema") == "yes" else "**no**",
        {"passed": "lands", "failed": "**fails**"}.get(result.get("example", ""), "**not run**"),
        f"{suite['passed']:,} / {len(suite['failed'])}" if suite else "**not run**",
        "; ".join(live) or "**not run**",
    ]


def features_table(found: dict[str, dict[str, Any]]) -> str:
    """Return one row for each feature, one column for each version."""
    by_version = {
        version: next(
            (
                result["metadata"]["features"]
                for result in found.values()
                if result.get("airflow") == version and "metadata" in result
            ),
            None,
        )
        for version in RELEASED
    }
    known = {version: features for version, features in by_version.items() if features}
    lines = [f"| | {' | '.join(known)} |", f"|---|{'---|' * len(known)}"]
    for name, title in _FEATURES.items():
        marks = ["yes" if features[name] else "no" for features in known.values()]
        lines.append(f"| {title} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the page with both tables as the results have them."""
    found = results()
    for marks, make in ((_MARKS, cells_table), (_FEATURE_MARKS, features_table)):
        text = _filled(text, marks, make, found)
    return text


def _filled(text: str, marks: re.Pattern[str], make: Callable[[Results], str], found: Results) -> str:
    return marks.sub(lambda match: f"{match[1]}\n{make(found)}\n{match[2]}", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
