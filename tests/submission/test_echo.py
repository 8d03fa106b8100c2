"""An echo of the queue's list against what was asked; frames, elements and shots stand in lists, too."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.nested import with_values
from kling_airflow.submission.echo import asks_the_same, carries, differing_fields

FIRST, SECOND = "image_list.0.image_url", "image_list.1.image_url"
FIELDS: dict[str, Any] = {
    "mode": "pro",
    "duration": "5",
    "multi_shot": True,
    "image_list": [{"type": "first_frame"}, {}],
    "element_list": [{"element_id": "307795693621"}],
    "multi_prompt": [
        {"index": 1, "prompt": "The hero wakes up on a launch pad at dawn.", "duration": "2"},
        {"index": 2, "prompt": "The hero runs.", "duration": "3"},
    ],
}
FRAMES = {FIRST: "https://store/up/aaaa.png", SECOND: "https://store/up/bbbb.png"}
ECHO = with_values(FIELDS, FRAMES)


def changed(place: str, value: Any) -> dict[str, Any]:
    return with_values(ECHO, {place: value})


def test_the_whole_echo_asks_the_same() -> None:
    assert asks_the_same(ECHO, FIELDS, FRAMES) is True
    assert differing_fields(ECHO, FIELDS) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("element_list.0.element_id", "307795693622"),
        ("multi_prompt.0.prompt", "Another shot altogether, of something else, at dusk."),
        ("multi_prompt.1.duration", "4"),
        (FIRST, "https://store/up/cccc.png"),
        (SECOND, "https://store/up/cccc.png"),
        ("duration", "6"),
    ],
)
def test_another_order_is_told_apart(place: str, value: Any) -> None:
    assert asks_the_same(changed(place, value), FIELDS, FRAMES) is False
    if place not in FRAMES:
        assert differing_fields(changed(place, value), FIELDS) == [place]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("element_list.0.element_id", "***"),
        ("multi_prompt.0.prompt", "The hero wakes"),
        (FIRST, "https://cdn/elsewhere/1.png"),
        ("mode", "professional"),
        ("image_list", []),
        ("element_list", None),
        ("multi_prompt", "[omitted]"),
    ],
)
def test_a_partial_echo_neither_proves_nor_rules_out(place: str, value: Any) -> None:
    assert asks_the_same(changed(place, value), FIELDS, FRAMES) is None


def test_an_echo_with_more_in_it_proves_nothing() -> None:
    assert asks_the_same(ECHO | {"seed": 1}, FIELDS, FRAMES) is None
    assert (
        asks_the_same(changed("image_list.1", {"image_url": FRAMES[SECOND], "type": "style"}), FIELDS, FRAMES)
        is None
    )


@pytest.mark.parametrize("as_written", [{"multi_shot": "true"}, {"duration": 5}])
def test_another_spelling_is_the_same(as_written: dict[str, Any]) -> None:
    assert asks_the_same(ECHO | as_written, FIELDS, FRAMES) is True


def test_a_marker_is_found_in_a_list() -> None:
    assert carries(ECHO, FRAMES[SECOND])
    assert not carries(ECHO, "https://store/up/cccc.png")
    assert not carries({"image_list": "text", "other": [None, 1]}, FRAMES[FIRST])


@pytest.mark.parametrize("name", ["image_list", "multi_prompt"])
def test_a_list_that_is_sorted_otherwise_neither_proves_nor_rules_out(name: str) -> None:
    assert asks_the_same(ECHO | {name: ECHO[name][::-1]}, FIELDS, FRAMES) is None


@given(st.data())
def test_leaving_out_anything_never_rules_the_order_out(data: st.DataObject) -> None:
    """Nothing is bought twice because a part of the echo is missing."""
    echo = copy.deepcopy(ECHO)
    for name in data.draw(st.lists(st.sampled_from(sorted(echo)), unique=True, min_size=1)):
        how = data.draw(st.sampled_from(["field", "entry", "key of an entry"]))
        if isinstance(echo[name], list) and how == "entry":
            del echo[name][data.draw(st.integers(0, len(echo[name]) - 1))]
        elif isinstance(echo[name], list) and how == "key of an entry":
            entry = data.draw(st.integers(0, len(echo[name]) - 1))
            inner = echo[name][entry]
            for key in data.draw(st.lists(st.sampled_from(sorted(inner)), unique=True, min_size=1)):
                del inner[key]
        else:
            del echo[name]
    assert asks_the_same(echo, FIELDS, FRAMES) is None


FLAT_FRAME = "https://uploads.example/6f1c.jpeg"
FLAT = {"prompt": "The rocket lifts off", "duration": "5", "sound": "on"}
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from(["http://[x/a.png", "https://h:99999999/a", "https://\udc80/a", FLAT_FRAME]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


def test_the_same_is_the_same() -> None:
    assert asks_the_same(FLAT | {"image": FLAT_FRAME}, FLAT, {"image": FLAT_FRAME}) is True


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
    assert asks_the_same(FLAT | {"image": FLAT_FRAME} | change, FLAT, {"image": FLAT_FRAME}) is verdict


@given(st.dictionaries(st.sampled_from([*FLAT, "image", "x"]), ODD))
def test_whatever_is_echoed_there_is_a_verdict(echo: dict[str, Any]) -> None:
    assert asks_the_same(echo, FLAT, {"image": FLAT_FRAME}) in {True, False, None}
    assert set(differing_fields(echo, FLAT)) <= set(FLAT)
    assert carries(echo, FLAT_FRAME) in {True, False}
