"""One list of spans and attributes: what the code names, what the page says, and no secret among them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kling_airflow.hooks.span_names import OUTCOME, SPANS, Attribute
from kling_airflow.polling import decision

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations" / "traces.md").read_text()
CODE = [
    *(ROOT / "kling_airflow" / "hooks").glob("*_span.py"),
    ROOT / "kling_airflow" / "hooks" / "tracing.py",
    *(
        ROOT / "kling_airflow" / "task" / f"{name}.py"
        for name in ("generation", "submission", "shot_orders", "shot_trace", "storyboard_trace")
    ),
]
ATTRIBUTES: dict[str, Attribute] = {each.name: each for span in SPANS for each in span.attributes}
NOT_SENT = re.compile(r"prompt|key|token|secret|password|signature|payload|url|header|text", re.IGNORECASE)


def named() -> Iterator[tuple[str, str]]:
    """Every attribute that the code names, with its place: keywords of `set` and `span`, keys of dicts."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            found: list[str | None] = []
            if isinstance(node, ast.Call) and re.search(r"(\.set|(^|\.)span)$", ast.unparse(node.func)):
                found = [each.arg for each in node.keywords]
            elif isinstance(node, ast.Dict):
                found = [each.value for each in node.keys if isinstance(each, ast.Constant)]  # type: ignore[misc]
            for name in found:
                if name not in OTHER:
                    yield str(name), path.name


OTHER = {
    *(None, "under", "pauses"),  # parameters of `span`
    *("until", "in_doubt", "progress", "claims", "trace", "gmi_conn_id", "label"),  # what a task carries
}
"""Keywords, and keys of dicts, that are no attributes."""


def test_each_attribute_that_the_code_names_is_in_the_list() -> None:
    assert [(name, place) for name, place in named() if name not in ATTRIBUTES] == []


def test_each_attribute_of_the_list_is_named_by_the_code() -> None:
    by_checks = {
        "duration_check",
        "sound_check",
        "pictures_check",
    }  # land_span.py makes them of the sidecar's
    assert set(ATTRIBUTES) - {name for name, _ in named()} == by_checks


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_no_attribute_is_for_what_is_never_sent(name: str) -> None:
    assert not NOT_SENT.search(name)


def test_a_name_has_one_meaning_in_all_spans() -> None:
    for span in SPANS:
        for each in span.attributes:
            assert ATTRIBUTES[each.name] == each
            assert each.kind in {"string", "int", "double", "boolean"}


def test_the_page_has_a_row_for_each_span_and_no_other() -> None:
    part = PAGE.partition("## Spans")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(kling\.\w+)` \| [^|]+ \| [^|]+ \| ([^|]+) \|$", part, re.MULTILINE)
    assert rows == [(span.full_name, span.says) for span in SPANS]


def test_the_page_has_a_row_for_each_attribute_and_no_other() -> None:
    part = PAGE.partition("## Attributes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \|$", part, re.MULTILINE)
    said = {
        each.full_name: (
            each.kind,
            ", ".join(f"`{span.name}`" for span in SPANS if each in span.attributes),
            each.says,
        )
        for each in ATTRIBUTES.values()
    }
    assert {name: tuple(rest) for name, *rest in rows} == said
    assert len(rows) == len(said)


def test_each_outcome_of_a_wait_is_named() -> None:
    ends = {"done", "error", *decision._ERRORS}
    assert set(re.findall(r"`(\w+)`", OUTCOME.says)) == ends


def test_the_page_names_each_event() -> None:
    for span in SPANS:
        for name, attribute in span.events:
            assert f"`kling.{name}`" in PAGE
            assert attribute in span.attributes
