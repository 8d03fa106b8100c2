"""The table of models, and the docs' table of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kling_airflow import models
from kling_airflow.errors import InvalidArgument
from kling_airflow.models import (
    CREATE_ELEMENT,
    IMAGE_TO_VIDEO,
    MODELS,
    OMNI,
    TEXT_TO_VIDEO,
    TURBO_IMAGE_TO_VIDEO,
    TURBO_TEXT_TO_VIDEO,
    Address,
    Choice,
    Items,
    ModelSpec,
    Number,
    Option,
    Seconds,
    Switch,
    Text,
    spec_of,
)

DOCS = Path(__file__).parents[2] / "docs" / "models.md"
OPERATORS = {
    IMAGE_TO_VIDEO: "KlingImageToVideoOperator",
    TURBO_IMAGE_TO_VIDEO: "KlingImageToVideoOperator",
    TEXT_TO_VIDEO: "KlingTextToVideoOperator",
    TURBO_TEXT_TO_VIDEO: "KlingTextToVideoOperator",
    OMNI: "KlingOmniOperator",
    CREATE_ELEMENT: "KlingCreateElementOperator",
}


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
    required = "required" if getattr(option, "required", False) else ""
    match option:
        case Text(most):
            said = f"up to {most} characters"
        case Seconds(least, most, default):
            said = f"{least} to {most}, default {default}"
        case Switch(default):
            said = f"default {'on' if default else 'off'}"
        case Choice(values, None):
            said = ", ".join(values)
        case Choice(values, default):
            said = f"{', '.join(values)}, default {default}"
        case Number(least, most):
            said = f"{least:g} to {most:g}"
        case Address():
            said = "address"
        case Items():
            said = "list"
        case _:
            said = "JSON"
    return ", ".join(filter(None, (required, said)))


def takes(spec: ModelSpec) -> str:
    frames = [f"`{argument}` (sent as `{field}`)" for argument, field in spec.frame_arguments.items()]
    return ", ".join([*frames, *(f"`{name}` ({words(option)})" for name, option in spec.options.items())])


def price(spec: ModelSpec) -> str:
    if spec.price is None:
        return "by the queue's catalog"
    unit = "s" if spec.price.unit == "second" else "request"
    return "; ".join(f"{said} ${usd:g}/{unit}".strip() for said, usd in spec.price.rows())


def row(spec: ModelSpec) -> str:
    """Return a model's row of the docs' table."""
    operator = OPERATORS.get(spec.id, "GMICloudRequestOperator")
    page = {
        "KlingImageToVideoOperator": "image-to-video",
        "KlingTextToVideoOperator": "text-to-video",
        "KlingOmniOperator": "omni",
        "KlingCreateElementOperator": "create-element",
    }.get(operator, "request")
    answers = ", ".join(f"`{name}`" for name in spec.answers)
    link = f"[{operator}](operators/{page}.md)"
    return f"| `{spec.id}` | {link} | {takes(spec)} | {price(spec)} | {answers} |"


def test_every_public_name_is_there() -> None:
    assert [name for name in models.__all__ if not hasattr(models, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        models.nothing  # noqa: B018


@pytest.mark.parametrize("spec", MODELS.values(), ids=list(MODELS))
def test_each_row_says_what_the_entry_says(spec: ModelSpec) -> None:
    assert row(spec) in DOCS.read_text().splitlines()


def test_the_docs_have_one_row_for_each_model() -> None:
    assert list(rows()) == list(MODELS)


@pytest.mark.parametrize("spec", MODELS.values(), ids=list(MODELS))
def test_a_price_names_options_of_its_model(spec: ModelSpec) -> None:
    if spec.price is not None:
        assert set(spec.price.by) <= set(spec.options)
        assert spec.price.base in spec.price.usd
        assert all(usd > 0 for usd in spec.price.usd.values()) or spec.id == CREATE_ELEMENT
        for values in spec.price.usd:
            for name, value in zip(spec.price.by, values, strict=True):
                option = spec.options[name]
                if isinstance(option, Choice):
                    assert value in option.values


@pytest.mark.parametrize("model", ["kling-v9", "", None, 5])
def test_an_unknown_model_is_refused_with_the_known_ones(model: object) -> None:
    with pytest.raises(InvalidArgument, match=", ".join(MODELS)):
        spec_of(model)


def test_an_operator_with_frames_refuses_a_model_without_frames() -> None:
    with pytest.raises(InvalidArgument, match="this operator knows kling-v3-image-to-video"):
        spec_of(TEXT_TO_VIDEO, frames=True)


def test_an_operator_refuses_a_model_of_another_operator() -> None:
    with pytest.raises(
        InvalidArgument, match=f"this operator knows {TEXT_TO_VIDEO}, {TURBO_TEXT_TO_VIDEO}[^,]"
    ):
        spec_of(OMNI, among=(TEXT_TO_VIDEO, TURBO_TEXT_TO_VIDEO))


if __name__ == "__main__":  # the docs' rows, to paste
    for each in MODELS.values():
        print(row(each))
