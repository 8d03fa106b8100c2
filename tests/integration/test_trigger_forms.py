"""The trigger forms of the example DAGs: each field says what it is, and a prompt has room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kling_airflow.operators.image_to_video import KlingImageToVideoOperator

DAGS = Path(__file__).parents[2] / "dags"
WORDS = {
    "duration": "Duration",
    "aspect_ratio": "Aspect ratio",
    "take": "Take",
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "sound": "Sound",
}
"""The operators' own words."""


@pytest.fixture(scope="module")
def forms(airflow_db: Path) -> dict[str, dict[str, Any]]:
    """Return the schema of each field of each example DAG, as the UI gets it."""
    from tests.airflow_versions import DagBag

    bag = DagBag(DAGS)
    assert not bag.import_errors
    return {
        name: {
            key: {**dag.params.get_param(key).schema, "description": dag.params.get_param(key).description}
            for key in list(dag.params)
        }
        for name, dag in bag.dags.items()
    }


def test_each_field_has_a_title_and_a_help_text(forms: dict[str, dict[str, Any]]) -> None:
    assert len(forms) == 5
    bare = [
        f"{dag}.{name}"
        for dag, fields in forms.items()
        for name, schema in fields.items()
        if not (schema.get("title") and schema.get("description"))
    ]
    assert bare == []


def test_fields_have_the_operators_words(forms: dict[str, dict[str, Any]]) -> None:
    assert {"duration", "take"} <= {*KlingImageToVideoOperator.template_fields}
    for fields in forms.values():
        for name in fields.keys() & WORDS.keys():
            assert fields[name]["title"] == WORDS[name]


def test_a_prompt_has_several_lines(forms: dict[str, dict[str, Any]]) -> None:
    prompts = [
        schema for fields in forms.values() for name, schema in fields.items() if name.endswith("prompt")
    ]
    assert len(prompts) == 3
    assert {schema["format"] for schema in prompts} == {"multiline"}


def test_the_price_stands_beside_the_limit(forms: dict[str, dict[str, Any]]) -> None:
    for fields in forms.values():
        for name in fields.keys() & {"max_cost_usd", "budget_usd"}:
            assert "US dollars" in fields[name]["description"]
        if "max_cost_usd" in fields:
            assert "$" in fields["max_cost_usd"]["description"]
