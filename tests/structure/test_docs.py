"""What the docs say of the house's structure, held against the code."""

from __future__ import annotations

import re

import pytest

from tests.structure.draw import PICTURE, arrows, picture
from tests.structure.imports import ROOT, modules

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def section(page: str, title: str) -> str:
    """Return a section of a Markdown page, its title aside."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {title!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the cells of a Markdown table, its head aside."""
    lines = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in lines[2:]]


WHERE = [(question, cell) for question, cell, *_ in rows(section(CONTRIBUTING, "Where is what"))]


@pytest.mark.parametrize(("question", "files"), WHERE, ids=[question for question, _ in WHERE])
def test_where_is_what_names_files_that_exist(question: str, files: str) -> None:
    named = re.findall(r"`([^`]+)`", files)
    assert named
    for name in named:
        assert (ROOT / name).exists(), f"{question}: {name}"


def test_the_glossary_explains_each_term_once() -> None:
    terms = [row[0].strip("*`").lower() for row in rows(section(CONTRIBUTING, "Glossary"))]
    assert len(terms) >= 20
    assert sorted(terms) == sorted(set(terms))


def test_the_drawn_arrows_are_the_real_ones() -> None:
    drawn = set(re.findall(r'data-from="(\w+)" data-to="(\w+)"', PICTURE.read_text()))
    assert drawn == {(room, other) for room, others in arrows().items() for other in others}
    assert PICTURE.read_text() == picture(), "draw it again: python -m tests.structure.draw"


@pytest.mark.parametrize("way", ["A clip's way", "A lost POST's way"])
def test_each_step_of_a_way_names_a_function_that_exists(way: str) -> None:
    steps = re.findall(r"^\d+\. .*?(?=^\d+\. |\Z)", section(ARCHITECTURE, way), re.MULTILINE | re.DOTALL)
    assert len(steps) >= 5
    for step in steps:
        named = re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`[^`]*`([A-Za-z_.]+)`", step)
        assert named, f"no file and function in: {step[:60]}"
        for file, function in named:
            source = (ROOT / "kling_airflow" / file).read_text()
            assert re.search(rf"(def|class) {re.escape(function.rpartition('.')[2])}\b", source), (
                file,
                function,
            )


def test_every_room_is_described() -> None:
    described = set(
        re.findall(r"^\| `([a-z_]+)(?:/|\.py)` ", section(ARCHITECTURE, "The rooms"), re.MULTILINE)
    )
    rooms = {name.split(".")[1] for name in modules() if "." in name}
    assert described >= {room for room in rooms if (ROOT / "kling_airflow" / room).is_dir()}
