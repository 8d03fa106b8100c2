"""The page on compatibility says what the cells found, and no floor is lower than what they ran with."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.matrix.cells import CELLS, OLDEST, RELEASED, ROOT, chosen
from tests.matrix.environment import lower_bounds
from tests.matrix.table import PAGE, page, results, suite_is_green


def minor(version: str) -> str:
    """Return ``3.4`` of ``3.4.0b2``."""
    return ".".join(version.split(".")[:2])


def test_the_page_has_what_the_cells_found() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run: python -m tests.matrix.table"


def test_each_minor_version_has_a_green_result() -> None:
    """The wheel is added and moves nothing, its metadata is taken, the example lands, the scheduler ran.

    The whole suite was run there and passed, too: no failure is forgiven.
    """
    green = {
        minor(result["airflow"])
        for result in results().values()
        if not result["failed"]
        and not result["moved"]
        and result["metadata"]["schema"] == "yes"
        and result.get("example") == "passed"
        and result.get("live")
        and suite_is_green(result)
    }
    assert green == {minor(version) for version in RELEASED}


@pytest.mark.parametrize("name", sorted(results()))
def test_each_clip_was_billed_once(name: str) -> None:
    for proof in results()[name].get("live", []):
        assert {step: proof[step]["billed"] for step in ("deferred", "killed", "cleared")} == {
            "deferred": 1,
            "killed": 1,
            "cleared": 1,
        }


def test_data_is_no_template_after_a_deferral() -> None:
    """In a real scheduler; cells that were last run before there was such a step have no such result."""
    seen = {
        name: proof["prompt of a mapped row"]
        for name, result in results().items()
        for proof in result.get("live", [])
        if "prompt of a mapped row" in proof
    }
    assert set(seen.values()) == {"Rise, {{ run_id }}."}
    assert f"{OLDEST}-py3.11" in seen


def test_a_task_that_a_user_ends_cancels_its_request_where_airflow_tells_the_trigger() -> None:
    """As docs/costs.md says: from 3.3 on."""
    seen = {
        (proof["marked failed while deferred"], result["metadata"]["features"]["trigger on_kill"])
        for result in results().values()
        for proof in result.get("live", [])
    }
    assert seen == {("cancelled", True), ("alive", False)}


def test_the_floor_of_airflow_is_the_oldest_cell() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (airflow,) = [line for line in project["dependencies"] if line.startswith("apache-airflow>")]
    assert airflow == f"apache-airflow>={CELLS[0].airflow}"


def test_every_bound_is_a_lower_one_that_a_cell_installs() -> None:
    for line in lower_bounds():
        assert re.fullmatch(r"[a-z0-9-]+(\[[a-z0-9]+\])?==[0-9.]+", line), line
    assert any(cell.lowest for cell in CELLS)


def test_ci_runs_the_oldest_the_newest_and_one_between() -> None:
    cells = ["2.11.0-py3.11", "3.1.8-py3.11", "3.3.2-py3.11", "3.4.0b2-py3.11", "3.3.2-py3.13"]
    assert [cell.name for cell in chosen(["ci"])] == cells


def test_a_cell_that_there_is_not() -> None:
    with pytest.raises(SystemExit, match=r"no cell '1\.10'"):
        chosen(["1.10"])
