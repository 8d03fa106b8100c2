"""The page on pictures says what the tests try, no more and no less."""

from __future__ import annotations

import pytest

from kling_airflow.media.limits import MAX_PIXELS
from tests.docs.pictures_page import FORMATS, PAGE, tables, with_tables
from tests.media.test_formats import READ

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_tests() -> None:
    assert with_tables(TEXT) == TEXT, "run: python -m tests.docs.pictures_page"


@pytest.mark.parametrize("heading", tables())
def test_a_row_that_the_tests_do_not_try_is_removed(heading: str) -> None:
    before, mark, rest = TEXT.partition(f"## {heading}\n")
    row = next(line for line in rest.splitlines() if line.startswith("| "))
    other = before + mark + rest.replace(f"{row}\n", f"{row}\n| made up |\n", 1)
    assert other != TEXT
    assert with_tables(other) == TEXT


def test_each_format_that_is_read_has_its_memory() -> None:
    assert set(FORMATS) == set(READ)


def test_the_limit_is_the_default() -> None:
    assert f"`max_pixels` ({MAX_PIXELS:,} by default)" in TEXT
