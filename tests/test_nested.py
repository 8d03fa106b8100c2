"""Places inside a payload."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.nested import at, leaves, with_values

PAYLOAD: dict[str, Any] = {
    "prompt": "rise",
    "seed": None,
    "image_list": [{"image_url": "https://a", "type": "first_frame"}, {}],
    "multi_prompt": (),
}
names = st.text("abc_", min_size=1, max_size=4)
values = st.recursive(
    st.integers() | st.text(max_size=5) | st.booleans(),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(names, inner, min_size=1),
    max_leaves=8,
)


def test_every_value_has_a_place() -> None:
    assert leaves(PAYLOAD) == {
        "prompt": "rise",
        "image_list.0.image_url": "https://a",
        "image_list.0.type": "first_frame",
    }


def test_a_place_that_is_not_there_holds_nothing() -> None:
    for place in (
        "x",
        "prompt.0",
        "image_list.2",
        "image_list.x",
        "image_list.1.type",
        "image_list.0.type.a",
    ):
        assert at(PAYLOAD, place) is None


def test_a_value_is_put_into_a_copy() -> None:
    made = with_values(PAYLOAD, {"image_list.1.image_url": "https://b", "image": "https://c"})
    assert made["image_list"][1] == {"image_url": "https://b"}
    assert made["image"] == "https://c"
    assert PAYLOAD["image_list"][1] == {}
    assert with_values({"refer_images": [None, None]}, {"refer_images.1": "x"}) == {
        "refer_images": [None, "x"]
    }


@given(st.dictionaries(names, values))
def test_what_has_a_place_is_found_there(payload: dict[str, Any]) -> None:
    for place, value in leaves(payload).items():
        assert at(payload, place) == value
    assert with_values(payload, leaves(payload)) == payload


def test_a_payload_that_is_nested_too_deeply_is_read() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert len(leaves({"deep": deep})) == 1
