"""The texts of errors are sentences: each ends with one full stop, whatever was put together."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kling_airflow
from kling_airflow import errors, exceptions
from kling_airflow.errors import KlingError
from kling_airflow.redaction import in_short, sentences

WRONG_END = re.compile(r"(?<!\.)\.\.(?!\.)|\.{4,}|[!?]\.|\s[.!?](?:\s|$)|\s\s")
PACKAGE = Path(kling_airflow.__file__).parent


def family(root: type[KlingError]) -> Iterator[type[KlingError]]:
    yield root
    for below in root.__subclasses__():
        yield from family(below)


CLASSES = sorted({*family(KlingError)}, key=lambda found: (found.__module__, found.__name__))
WORDS = st.lists(
    st.text(st.characters(categories=("Lu", "Ll", "Nd")), min_size=1, max_size=8), min_size=1, max_size=5
)
ENDS = st.sampled_from(["", ".", "..", "...", "....", "!", "?", "?.", ")", ").", "`", "'."])
TEXTS = st.tuples(WORDS, ENDS).map(lambda parts: " ".join(parts[0]) + parts[1])


def test_the_family_is_all_of_both_modules() -> None:
    for module in (errors, exceptions):
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, KlingError):
                assert found in CLASSES


@given(st.sampled_from(CLASSES), TEXTS, TEXTS | st.none(), st.booleans())
def test_each_sentence_of_an_error_ends_once(
    found: type[KlingError], what: str, todo: str | None, is_quoted: bool
) -> None:
    """A library's complaint, which may end with a full stop of its own, stands in many of our sentences."""
    said = f"The file can't be read ({in_short(OSError(what))}): {what}." if is_quoted else what
    error = found(said, todo=todo)
    for text in (str(error), str(error.with_money(errors.Money.SPENT, todo=todo)), error.what):
        assert text.endswith((".", "!", "?"))
        assert not WRONG_END.search(text), text
        assert what.rstrip(".!?") in text
    assert (todo or "").rstrip(".!?") in str(error)


@given(TEXTS)
def test_what_is_a_sentence_stays_as_it_is(text: str) -> None:
    once = sentences(text)
    assert sentences(once) == once
    assert once.rstrip(".!?") == text.rstrip(".!?")


def test_no_text_is_no_sentence() -> None:
    assert sentences("  ") == ""


def literals() -> Iterator[tuple[str, str, str]]:
    """The texts that the code gives to errors: place, parameter, text with "{}" for what is filled in."""
    names = {found.__name__ for found in CLASSES}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            given_ = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg == "todo"}
            if name in names and node.args:
                given_["what"] = node.args[0]
            for parameter, value in given_.items():
                text = written(value)
                if text is not None:
                    yield f"{path.relative_to(PACKAGE)}:{value.lineno}", str(parameter), text


def written(value: ast.expr) -> str | None:
    """A literal's text; None for what isn't one."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in value.values)
    return None


LITERALS = sorted(literals())


def test_the_literals_of_all_parts_are_found() -> None:
    parts = {re.split(r"[/.]", place)[0] for place, _, _ in LITERALS}
    assert {"gmi", "media", "submission", "hooks", "transfers", "task", "operators", "arguments"} <= parts
    assert len(LITERALS) > 200


@pytest.mark.parametrize(("place", "parameter", "text"), LITERALS, ids=[place for place, _, _ in LITERALS])
def test_a_literal_is_made_of_whole_sentences(place: str, parameter: str, text: str) -> None:
    assert not WRONG_END.search(text), f"{place}: {text}"
    if parameter == "todo" and text:
        assert text.endswith((".", "!", "?", "{}")), f"{place}: {text}"
