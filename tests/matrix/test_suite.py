"""What is kept of a cell's suite: counts by file, and nothing counts as passed that was never run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.matrix import suite
from tests.matrix.cells import ROOT
from tests.matrix.steps import WITHOUT_AIRFLOW
from tests.matrix.table import cells_table, suite_is_green

REPORT = """<testsuites><testsuite name="pytest">
<testcase classname="tests.gmi.test_a.TestX" name="one"/>
<testcase classname="tests.gmi.test_a" name="two[a.b]"><skipped message="needs Airflow 3.0"/></testcase>
<testcase classname="tests.gmi.test_a" name="three"><failure message="no"/></testcase>
<testcase classname="" name="tests.gmi.test_b"><error message="collection failure"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tests" / "gmi").mkdir(parents=True)
    for name in ("test_a", "test_b"):
        (tmp_path / "tests" / "gmi" / f"{name}.py").touch()
    (tmp_path / "report.xml").write_text(REPORT)
    return tmp_path


def test_a_report_is_counted_by_file(folder: Path) -> None:
    assert suite.files_of(folder / "report.xml", folder) == {
        "tests/gmi/test_a.py": {"passed": 1, "skipped": 1, "failed": ["tests.gmi.test_a::three"]},
        "tests/gmi/test_b.py": {"passed": 0, "skipped": 0, "failed": ["::tests.gmi.test_b"]},
    }


def test_a_rerun_replaces_only_its_own_files(folder: Path) -> None:
    kept = folder / "kept.json"
    suite.keep(kept, suite.files_of(folder / "report.xml", folder), "before")
    files = suite.keep(kept, {"tests/gmi/test_b.py": {"passed": 4, "skipped": 0, "failed": []}}, "after")
    found = suite.total(files, ["tests/gmi/test_a.py", "tests/gmi/test_b.py"])
    assert (found["passed"], found["skipped"], found["failed"]) == (5, 1, ["tests.gmi.test_a::three"])
    assert found["commits"] == ["after", "before"]
    assert files["tests/gmi/test_b.py"]["commit"] == "after"
    assert found["summary"] == "failed"


def test_a_file_that_was_never_run_is_no_pass() -> None:
    there = {"tests/test_a.py": {"passed": 4, "skipped": 0, "failed": [], "commit": "a"}}
    assert suite.total(there, ["tests/test_a.py"])["summary"] == "passed"
    found = suite.total(there, ["tests/test_a.py", "tests/test_b.py"])
    assert (found["summary"], found["missing"]) == ("failed", ["tests/test_b.py"])
    assert suite.total({}, [])["summary"] == "failed"


def test_a_result_that_does_not_say_what_is_missing_is_not_green() -> None:
    assert not suite_is_green({})
    assert not suite_is_green({"suite": {"summary": "passed", "failed": []}})
    green = {"summary": "passed", "missing": [], "failed": [], "passed": 3}
    assert suite_is_green({"suite": green})
    table = cells_table({"2.11.0-py3.11": {"suite": green}})
    assert "The suite ran whole and passed in: 2.11.0-py3.11." in table
    assert "or did not pass, in: 2.11.2-py3.11, " in table


def imported(path: Path) -> set[str]:
    """Return what a file imports, names of modules among them."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("place", WITHOUT_AIRFLOW)
def test_what_only_some_cells_run_knows_nothing_of_airflow(place: str) -> None:
    """Neither itself, nor by what it imports."""
    todo, seen = [*(ROOT / place).rglob("*.py")], set[Path]()
    assert len(todo) > 2
    while todo:
        path = todo.pop()
        seen.add(path)
        names = imported(path)
        assert {name for name in names if name.split(".")[0] == "airflow"} == set(), path
        for name in names:
            there = (ROOT / Path(*name.split("."))).with_suffix(".py")
            if name.startswith(("tests.", "kling_airflow.")) and there.is_file() and there not in seen:
                todo.append(there)
