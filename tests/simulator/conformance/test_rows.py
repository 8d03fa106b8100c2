"""The table in the docs is the one that the tests make."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.simulator.conformance.rows import ROWS, table

DOCS = Path(__file__).parents[3] / "docs" / "simulator.md"
BEGIN, END = "<!-- rows -->\n", "<!-- /rows -->"


def with_table(text: str) -> str:
    head, rest = text.split(BEGIN)
    return head + BEGIN + "\n" + table() + "\n" + END + rest.partition(END)[2]


def test_docs_list_every_row() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert text == with_table(text), "run: python -m tests.simulator.conformance.test_rows"
    assert len({(row.section, row.test) for row in ROWS}) == len(ROWS)


if __name__ == "__main__":
    DOCS.write_text(with_table(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(0)
