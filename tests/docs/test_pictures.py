"""The page on pictures says what the tests try, no more and no less."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from kling_airflow.media.limits import MAX_PIXELS
from tests.media.test_color import CARRIERS as COLORS
from tests.media.test_damage import JPEG_LOSSES
from tests.media.test_formats import NAMED, READ
from tests.media.test_orientation import CARRIERS as ORIENTATIONS

PAGE = (Path(__file__).parents[2] / "docs" / "pictures.md").read_text(encoding="utf-8")
TABLES: dict[str, Iterable[str]] = {
    "Formats that are read": READ,
    "Colors": COLORS,
    "Orientation": ORIENTATIONS,
    "Damage": JPEG_LOSSES,
    "What is not read": NAMED,
}


def rows(heading: str) -> list[str]:
    """The first cell of each row of a section's table."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| (.+?) \|", section, re.MULTILINE)[1:]


@pytest.mark.parametrize("heading", TABLES)
def test_the_table_has_the_rows_that_are_tried(heading: str) -> None:
    assert sorted(rows(heading)) == sorted(TABLES[heading])


def test_the_limit_is_the_default() -> None:
    assert f"`max_pixels` ({MAX_PIXELS:,} by default)" in PAGE
