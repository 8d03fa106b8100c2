"""The tables in the docs are up to date with the code and the conformance tests."""

from __future__ import annotations

from tests.simulator.conformance.rows import ROWS
from tests.simulator.tables import DOCS, with_tables


def test_docs_are_up_to_date() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert text == with_tables(text), "run: python -m tests.simulator.tables"


def test_every_row_has_a_test_of_its_own() -> None:
    with_tables(DOCS.read_text(encoding="utf-8"))
    assert len(ROWS) > 100
    assert len({(row.section, row.test) for row in ROWS}) == len(ROWS)
    assert len({(row.section, row.text) for row in ROWS}) == len(ROWS)
