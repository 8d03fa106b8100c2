"""``make matrix``: build the wheel, and prove it in one cell after the other."""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.matrix.cells import RESULTS, ROOT, Cell, chosen
from tests.matrix.environment import Environment, build_wheel
from tests.matrix.steps import BRIEF, WHOLE, Workplace
from tests.matrix.suite import commit

BILLED = ("deferred", "killed", "cleared")
STEPS = ("metadata", "example", "suite", "live")


def run_cell(cell: Cell, wheel: Path, folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Return what was found in one cell, ``failed`` naming each step that did not do what is promised."""
    began = time.monotonic()
    found: dict[str, Any] = {"cell": cell.name, "airflow": cell.airflow, "python": cell.python, "failed": []}
    found |= {"day": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit()}
    environment = Environment(cell, folder)
    environment.prepare()
    added, moved = environment.add(wheel)
    found |= {"added": added, "moved": moved}
    if moved and not cell.lowest:
        found["failed"].append("install: packages of Airflow were moved")
    place, steps = Workplace(environment), args.steps.split(",")

    def guarded(step: str) -> None:
        try:
            _step(step, place, found, args, store=cell.airflow >= "3.3")
        except Exception as error:
            found["failed"].append(f"{step}: {type(error).__name__}: {str(error)[:1500]}")
        print(f"  {cell.name}: {step} after {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)

    # The real scheduler and triggerer wait most of the time: the other steps run meanwhile.
    with ThreadPoolExecutor(1) as pool:
        beside = [pool.submit(guarded, step) for step in steps if step == "live"]
        for step in steps:
            if step != "live":
                guarded(step)
        for live in beside:
            live.result()
    found["seconds"] = round(time.monotonic() - began)
    return found


def _step(
    step: str, place: Workplace, found: dict[str, Any], args: argparse.Namespace, *, store: bool
) -> None:
    if step == "metadata":
        found["metadata"] = place.probe()
        if found["metadata"]["schema"] != "yes":
            found["failed"].append(f"metadata: {found['metadata']['schema']}")
    elif step == "example":
        found["example"] = place.example()
        if found["example"] != "passed":
            found["failed"].append("example: the example DAG failed")
    elif step == "suite":
        now = tuple(args.tests.split(",")) if args.tests else WHOLE
        found["suite"] = place.suite(BRIEF if args.brief else WHOLE, now, again=args.again)
        if found["suite"]["summary"] != "passed":
            missing, failed = (len(found["suite"][name]) for name in ("missing", "failed"))
            found["failed"].append(f"suite: {failed} tests failed, {missing} files were not run")
    else:
        ledgers = ("folder", "store") if store else ("folder",)
        found["live"] = [place.live(ledger) for ledger in (ledgers[-1:] if args.brief else ledgers)]
        for proof in found["live"]:
            billed = {name: proof[name]["billed"] for name in BILLED}
            if set(billed.values()) != {1}:
                found["failed"].append(f"live, {proof['ledger']}: billed {billed}")


def keep(cell: Cell, result: dict[str, Any]) -> None:
    """Write a cell's result; steps that were not run this time stay as they were found."""
    path = RESULTS / f"{cell.name}.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    names = {problem.partition(":")[0].partition(",")[0] for problem in before.get("failed", [])}
    again = names & {*result, "install", "environment"}
    old = [
        problem
        for problem in before.get("failed", [])
        if problem.partition(":")[0].partition(",")[0] not in again
    ]
    merged = before | result | {"failed": [*old, *result["failed"]]}
    path.write_text(json.dumps(merged, indent=1, sort_keys=True) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Run the chosen cells; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("cells", nargs="*", help="cells or versions; `ci` for those of .ci/run; all for none")
    parser.add_argument("--steps", default=",".join(STEPS), help="a selection (default: %(default)s)")
    parser.add_argument("--brief", action="store_true", help="the tests at Airflow's borders, and one ledger")
    parser.add_argument("--tests", help="files and folders of the suite, separated by commas")
    parser.add_argument("--again", action="store_true", help="only what failed last, or never ran")
    parser.add_argument("--save", action="store_true", help="keep the results for docs/compatibility.md")
    parser.add_argument("--folder", type=Path, default=ROOT / ".matrix", help="of the environments")
    parser.add_argument(
        "--at-once", type=int, default=1, help="cells side by side: a cell waits most of the time"
    )
    args = parser.parse_args(argv)
    folder = args.folder.resolve()
    wheel = build_wheel(folder / "wheel")

    def result_of(cell: Cell) -> dict[str, Any]:
        try:
            return run_cell(cell, wheel, folder, args)
        except Exception:
            return {"cell": cell.name, "failed": [f"environment: {traceback.format_exc()[-1500:]}"]}

    results, cells = [], chosen(args.cells)
    with ThreadPoolExecutor(args.at_once) as pool:
        for cell, result in zip(cells, pool.map(result_of, cells), strict=True):
            results.append(result)
            print(_line(result), flush=True)
            if args.save:
                keep(cell, result)
    print(summary(results), flush=True)
    return 1 if any(result["failed"] for result in results) else 0


def _line(result: dict[str, Any]) -> str:
    said = "ok" if not result["failed"] else "FAILED: " + "; ".join(result["failed"])
    return f"{result['cell']} in {result.get('seconds', 0)} s: {said}"


def summary(results: list[dict[str, Any]]) -> str:
    """Return a row for each cell, and how many of them passed."""
    rows = [("cell", "installs", "metadata", "example", "suite", "billed", "seconds", "")]
    for result in results:
        suite = result.get("suite")
        lives = ["/".join(str(proof[step]["billed"]) for step in BILLED) for proof in result.get("live", [])]
        moved = result.get("moved")
        rows.append(
            (
                result["cell"],
                "no" if moved is None else f"{len(moved)} moved" if moved else "yes",
                result.get("metadata", {}).get("schema", "-")[:20],
                result.get("example", "-"),
                f"{suite['passed']} of {suite['passed'] + len(suite['failed'])}" if suite else "-",
                " ".join(lives) or "-",
                str(result.get("seconds", "-")),
                "FAILED" if result["failed"] else "ok",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)) for row in rows]
    failed = sum(bool(result["failed"]) for result in results)
    return "\n".join(
        ["", *(line.rstrip() for line in lines), f"{len(results) - failed} passed, {failed} failed"]
    )


if __name__ == "__main__":
    sys.exit(main())
