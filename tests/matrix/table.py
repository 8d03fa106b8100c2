"""The table of ``docs/compatibility.md``, made of what the cells found: ``python -m tests.matrix.table``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from tests.matrix.cells import CELLS, RELEASED, RESULTS, ROOT

PAGE: Final = ROOT / "docs" / "compatibility.md"
_MARKS: Final = re.compile(r"(<!-- cells -->\n).*?(<!-- /cells -->)", re.DOTALL)
_STAND_IN_MARKS: Final = re.compile(r"(<!-- stand-ins -->\n).*?(<!-- /stand-ins -->)", re.DOTALL)
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
    "skip by the safety net": "`soft_fail=True` skips when Airflow's own safety net ends a deferral",
}
"""What the probe calls a feature, and what the page does."""
_STANDS_IN: Final = {
    "task state store": "The ledger folder, see below. Without it, a task refuses to submit, and no money is"
    " spent.",
    "trigger on_kill": "Nothing cancels the request of a deferred task that a user ends. The clip is"
    " generated and billed. Cancel the request in GMI Cloud's console. A new run of the task with the same"
    " `take` in the same DAG run uses the clip.",
    "state of a task for its worker": "As above, also for `deferrable=False`: a SIGTERM never cancels a"
    " request.",
    "connection form": "Airflow 3.0 shows no provider's own fields unless the FAB provider"
    ' (`flask_appbuilder`) is installed. Without it, write `{"organization_id": "..."}` into *Extra*.',
    "connection test": "`GMICloudHook().test_connection()` in Python.",
    "extra links": "The XCom `request_id` of each task, and the sidecar beside each clip.",
    "retry policy": "`retries` and `retry_delay`. Errors that no retry can help fail at once on every"
    " version.",
    "pages of plugins": "The links of each task, and the sidecar beside each clip.",
    "loops": "Mapped tasks.",
    "skip by the safety net": "The sensor fails. Its own `timeout`, which comes 5 minutes before, skips on"
    " every version.",
}

_HEADINGS: Final = (
    "| Airflow | Python | day | installs; moved | metadata | example DAG | suite: passed / failed"
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
    lines = [_HEADINGS, "|---|---|---|---|---|---|---|---|"]
    for cell in CELLS:
        result = found.get(cell.name)
        python = f"{cell.python}{', lower bounds' if cell.lowest else ''}"
        columns = _columns(result) if result else ["", "not run yet"] + [""] * 4
        lines.append(f"| {cell.airflow} | {python} | {' | '.join(columns)} |")
    whole = [cell.name for cell in CELLS if suite_is_green(found.get(cell.name, {}))]
    others = [cell.name for cell in CELLS if cell.name not in whole]
    if whole:
        lines += ["", f"The suite ran whole and passed in: {', '.join(whole)}."]
    if others:
        lines += ["", f"It did not run whole on today's tests, or did not pass, in: {', '.join(others)}."]
    return "\n".join(lines) + "\n"


def suite_is_green(result: dict[str, Any]) -> bool:
    """Whether every test file of the cell was run, and all passed."""
    suite = result.get("suite", {})
    return suite.get("summary") == "passed" and suite.get("missing") == []


def _columns(result: dict[str, Any]) -> list[str]:
    if "added" not in result:
        return [result.get("day", ""), "**no**"] + [""] * 4
    moved = len(result["moved"])
    suite = result.get("suite")
    live = []
    for proof in result.get("live", []):
        billed = " / ".join(str(proof[step]["billed"]) for step in _STEPS)
        live.append(f"{proof['ledger']}: {billed}")
    return [
        result.get("day", ""),
        f"yes; {moved or 'nothing'}",
        "yes" if result.get("metadata", {}).get("schema") == "yes" else "**no**",
        {"passed": "lands", "failed": "**fails**"}.get(result.get("example", ""), "**not run**"),
        f"{suite['passed']:,} / {len(suite['failed'])}" if suite else "**not run**",
        "; ".join(live) or "**not run**",
    ]


def features(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, bool]]:
    """Return what each version has, by version."""
    by_version: dict[str, dict[str, bool]] = {}
    for version in RELEASED:
        for result in found.values():
            if result.get("airflow") == version and "metadata" in result:
                by_version.setdefault(version, result["metadata"]["features"])
    return by_version


def features_table(found: dict[str, dict[str, Any]]) -> str:
    """Return one row for each feature, one column for each version."""
    known = features(found)
    lines = [f"| | {' | '.join(known)} |", f"|---|{'---|' * len(known)}"]
    for name, title in _FEATURES.items():
        marks = ["yes" if each[name] else "no" for each in known.values()]
        lines.append(f"| {title} | {' | '.join(marks)} |")
    return "\n".join(lines) + "\n"


def stand_ins_table(found: dict[str, dict[str, Any]]) -> str:
    """Return one row for each feature that a version lacks: where, and what to use there."""
    lines = ["| missing | in Airflow | what to use |", "|---|---|---|"]
    for name, title in _FEATURES.items():
        missing = [version for version, each in features(found).items() if not each[name]]
        if missing:
            lines.append(f"| {title} | {', '.join(missing)} | {_STANDS_IN[name]} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Return the page with all three tables as the results have them."""
    found = results()
    tables = ((_MARKS, cells_table), (_FEATURE_MARKS, features_table), (_STAND_IN_MARKS, stand_ins_table))
    for marks, make in tables:
        text = _filled(text, marks, make, found)
    return text


def _filled(text: str, marks: re.Pattern[str], make: Callable[[Results], str], found: Results) -> str:
    return marks.sub(lambda match: f"{match[1]}\n{make(found)}\n{match[2]}", text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
