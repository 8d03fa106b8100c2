"""An echo of the queue's list, held against what was asked: whatever is in it, there is a verdict."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.submission.echo import asks_the_same, carries, differing_fields

FRAME = "https://uploads.example/6f1c.jpeg"
FIELDS = {"prompt": "The rocket lifts off", "duration": "5", "sound": "on"}
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from(["http://[x/a.png", "https://h:99999999/a", "https://\udc80/a", FRAME]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def test_the_same_is_the_same() -> None:
    assert asks_the_same(FIELDS | {"image": FRAME}, FIELDS, {"image": FRAME}) is True


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"prompt": "Something else altogether"}, False),
        ({"image": "https://uploads.example/0000.jpeg"}, False),
        ({"image": None}, None),
        ({"image": "http://[x/a.png"}, None),
        ({"image": "https://cdn.example/inputs/1.jpeg"}, None),
        ({"prompt": "The rocket..."}, None),
        ({"seed": 1}, None),
    ],
)
def test_another_order_is_told_from_a_partial_echo(change: dict[str, Any], verdict: bool | None) -> None:
    assert asks_the_same(FIELDS | {"image": FRAME} | change, FIELDS, {"image": FRAME}) is verdict


@given(st.dictionaries(st.sampled_from([*FIELDS, "image", "x"]), ODD))
def test_whatever_is_echoed_there_is_a_verdict(echo: dict[str, Any]) -> None:
    assert asks_the_same(echo, FIELDS, {"image": FRAME}) in {True, False, None}
    assert set(differing_fields(echo, FIELDS)) <= set(FIELDS)
    assert carries(echo, FRAME) in {True, False}
