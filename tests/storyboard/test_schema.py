"""The published JSON Schema allows what can be read, and refuses what can't."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from kling_airflow.storyboard import published_schema
from kling_airflow.storyboard.schema import SCHEMA_FILE, make_schema
from tests.storyboard.boards import SHOT, refused
from tests.storyboard.test_board import JSON

SCHEMA = Draft202012Validator(published_schema())


def test_the_published_file_is_made_from_the_table_of_models() -> None:
    assert published_schema() == make_schema(), "python -m kling_airflow.storyboard.schema"
    Draft202012Validator.check_schema(published_schema())


def test_the_docs_show_the_published_file() -> None:
    from tests.structure.imports import ROOT

    assert f'"kling_airflow/storyboard/{SCHEMA_FILE.name}"' in (ROOT / "docs" / "storyboard.md").read_text()


@pytest.mark.parametrize("board", [JSON, [SHOT], {"shots": [SHOT]}])
def test_it_allows_what_can_be_read(board: Any) -> None:
    SCHEMA.validate(board)


@pytest.mark.parametrize(
    "fields",
    [
        {"promt": "x"},
        {"duration": 20},
        {"takes": 99},
        {"model": "kling-v9"},
        {"name": "a b"},
        {"name": "../a"},
        {"aspect_ratio": 969},
        {"prompt": False},
        {"prompt": "x" * 2501},
    ],
)
def test_it_refuses_what_is_refused(fields: dict[str, Any]) -> None:
    assert not SCHEMA.is_valid([{**SHOT, **fields}])
    refused([{**SHOT, **fields}])
