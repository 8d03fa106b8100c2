"""The table of models, and the docs' table of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kling_airflow.errors import InvalidArgument
from kling_airflow.models import (
    MODELS,
    TEXT_TO_VIDEO,
    Choice,
    ModelSpec,
    Option,
    Seconds,
    Switch,
    Text,
    spec_of,
)

DOCS = Path(__file__).parents[1] / "docs" / "models.md"
OPERATORS = {True: "KlingImageToVideoOperator", False: "KlingTextToVideoOperator"}


def rows() -> dict[str, list[str]]:
    """Return the cells of each row of the docs' table, by the model's id."""
    found = {}
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if match := re.fullmatch(r"`([^`]+)`", cells[0]):
            found[match[1]] = cells[1:]
    return found


def words(option: Option) -> str:
    """Return an option as the docs' table describes it."""
    match option:
        case Text(most, required):
            return f"{'required, ' if required else ''}up to {most} characters"
        case Seconds(least, most, default):
            return f"{least} to {most}, default {default}"
        case Switch(default):
            return f"default {'on' if default else 'off'}"
        case Choice(values, default):
            return f"{', '.join(values)}, default {default}"


def takes(spec: ModelSpec) -> str:
    frames = [f"`{argument}` (sent as `{field}`)" for argument, field in spec.frame_arguments.items()]
    return ", ".join([*frames, *(f"`{name}` ({words(option)})" for name, option in spec.options.items())])


def price(spec: ModelSpec) -> str:
    if spec.price is None:
        return "by the queue's catalog"
    return f"`{spec.price.option}` " + ", ".join(f"{value} ${usd:g}" for value, usd in spec.price.usd.items())


def test_the_docs_have_one_row_for_each_model() -> None:
    assert list(rows()) == list(MODELS)


@pytest.mark.parametrize("spec", MODELS.values(), ids=list(MODELS))
def test_each_row_says_what_the_entry_says(spec: ModelSpec) -> None:
    operator, arguments, costs = rows()[spec.id]
    assert operator.startswith(f"[{OPERATORS[spec.start_frame is not None]}]")
    assert arguments == takes(spec)
    assert costs == price(spec)


@pytest.mark.parametrize("spec", MODELS.values(), ids=list(MODELS))
def test_a_price_names_an_option_of_its_model(spec: ModelSpec) -> None:
    if spec.price is not None:
        assert spec.price.option in spec.options
        assert all(usd > 0 for usd in spec.price.usd.values())


@pytest.mark.parametrize("model", ["kling-v9", "", None, 5])
def test_an_unknown_model_is_refused_with_the_known_ones(model: object) -> None:
    with pytest.raises(InvalidArgument, match=", ".join(MODELS)):
        spec_of(model)


def test_an_operator_with_frames_refuses_a_model_without_frames() -> None:
    with pytest.raises(InvalidArgument, match="this operator knows kling-v3-image-to-video"):
        spec_of(TEXT_TO_VIDEO, frames=True)
