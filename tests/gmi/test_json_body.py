"""The body of a call as JSON, and what is refused by its name because it has none."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument
from kling_airflow.gmi.json_body import json_body
from kling_airflow.gmi.protocol import Protocol

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_json_is_sent_as_it_is(value: Any) -> None:
    assert json.loads(json_body({"model": "m", "payload": value})) == {"model": "m", "payload": value}


@pytest.mark.parametrize(
    "value",
    [
        "\ud800", "a\udfffb", float("nan"), float("inf"), 10**5000, b"x", {1}, object(), 1j,
        dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.timedelta(1), decimal.Decimal("1.0"), "\ud800" * 500,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
@pytest.mark.parametrize("place", ["payload['a']", "payload['a'][1]['b']"])
def test_what_has_no_json_is_refused_by_its_place(value: object, place: str) -> None:
    payload = {"prompt": "p", "a": value if place == "payload['a']" else [1, {"b": value}]}
    with pytest.raises(InvalidArgument) as caught:
        Protocol("key").submit("m", payload)
    assert str(caught.value).startswith(f"`{place}` is ")
    assert "can't be sent as JSON" in str(caught.value)
    assert "No money was spent." in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("key", [1, None, (1, 2), "\ud800", b"x"])
def test_a_key_that_is_no_text_is_refused(key: Any) -> None:
    with pytest.raises(InvalidArgument, match="can't be sent as JSON") as caught:
        Protocol("key").submit("m", {"a": {key: "b"}})
    assert "payload['a']" in str(caught.value)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_a_value_that_is_nested_too_deeply_is_refused(wrap: Any) -> None:
    value: Any = "x"
    for _ in range(100_000):
        value = wrap(value)
    with pytest.raises(InvalidArgument, match="nested too deeply"):
        Protocol("key").submit("m", {"a": value})
