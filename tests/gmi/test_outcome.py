"""What a task hands on of an outcome: all of it, as far as it goes through an XCom."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gmi.outcome import HANDED_ON_BYTES, Outcome
from kling_airflow.gmi.request import Request
from tests.gmi.test_catalog import json_values

SPEECH = {"audio_url": "https://m/a.wav", "characters": 9}
ELEMENT = {"element_id": "307795693621", "element_status": "ok"}
FACES = {"data": {"session_id": "s", "face_data": [{"face_id": "0", "face_image": "https://m/f.png"}]}}
VOICES = {"voices": [{"voice_id": "v"}]}
SEVERAL = {"media_urls": [{"id": str(number), "url": f"https://m/{number}.png"} for number in range(4)]}


def read(outcome: Any, model: str = "a-model", **fields: Any) -> Request:
    request = Request.read(
        {"request_id": "a", "model": model, "status": "success", "outcome": outcome} | fields
    )
    assert request is not None
    return request


@pytest.mark.parametrize(
    "outcome", [SPEECH, ELEMENT, FACES, VOICES, SEVERAL, {"image_url": "https://m/i.png"}, {"new": [1]}]
)
def test_everything_is_handed_on(outcome: dict[str, Any]) -> None:
    clip = read(outcome).clip().to_json()
    assert clip["outcome"] == outcome
    assert clip["left_out"] is None


def test_what_is_too_large_is_named_and_read_by_the_request() -> None:
    request = read({"picture": "x" * HANDED_ON_BYTES, "element_id": "7", "more": "y" * 1000})
    clip = request.clip().to_json()
    assert clip["outcome"] == {"element_id": "7", "more": "y" * 1000}
    assert clip["left_out"] == ["picture"]
    assert request.outcome.values["picture"] == "x" * HANDED_ON_BYTES


ODD = {
    "infinite": float("inf"),
    "no number": float("nan"),
    "NUL": "\0",
    "half a surrogate pair": "\ud800",
    "too many digits": 10**5000,
    "no JSON": object(),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_value_that_no_database_takes_is_left_out(kind: str) -> None:
    value = ODD[kind]
    kept, left_out = Outcome(values={"odd": value, "element_id": "7"}).handed_on()
    assert (kept, left_out) == ({"element_id": "7"}, ["odd"])


@pytest.mark.parametrize("levels", [60, 300, 900, 5_000, 100_000])
@pytest.mark.parametrize("within", [lambda deep: [deep], lambda deep: {"a": deep, "b": 1}])
def test_a_value_that_is_nested_too_deeply_is_left_out(levels: int, within: Callable[[Any], Any]) -> None:
    """Python 3.13 writes what 3.12 refuses, and Airflow can't store it."""
    deep: Any = 1
    for _ in range(levels):
        deep = within(deep)
    assert Outcome(values={"deep": deep, "element_id": "7"}).handed_on() == ({"element_id": "7"}, ["deep"])


@given(st.dictionaries(st.text(max_size=10), json_values, max_size=6))
def test_what_is_handed_on_is_json_of_a_bounded_size(values: dict[str, Any]) -> None:
    kept, left_out = Outcome(values=values).handed_on()
    text = json.dumps(kept, ensure_ascii=False, allow_nan=False)
    assert len(text.encode()) <= HANDED_ON_BYTES + 10
    assert len(kept) + len(left_out) == len(values)


def test_the_trace_id_of_the_vendor_is_not_the_request_id() -> None:
    request = read({"request_id": "the-vendors-own", "element_id": "7"})
    assert request.request_id == request.clip().request_id == "a"


@pytest.mark.parametrize(
    ("model", "outcome", "has_result"),
    [
        ("kling-v3-omni", {"media_urls": [{"url": "https://m/a.mp4"}]}, True),
        ("kling-v3-omni", {"element_id": "7"}, False),
        ("kling-v3-image-to-video", {"thumbnail_image_url": "https://m/t.jpg"}, False),
        ("kling-create-element", ELEMENT, True),
        ("kling-create-element", {}, False),
        ("kling-identify-face", FACES, True),
        ("a-model", SPEECH, True),
        ("a-model", None, False),
        ("", SPEECH, False),
    ],
)
def test_a_clip_is_demanded_only_of_models_that_make_clips(
    model: str, outcome: Any, has_result: bool
) -> None:
    assert read(outcome, model).has_result is has_result


def test_the_price_is_what_the_echo_says() -> None:
    omni = {"mode": "pro", "duration": "5"}
    video = {"video_list": [{"video_url": "https://v", "refer_type": "feature"}]}
    edited = {"video_list": [{"video_url": "https://v", "refer_type": "base"}]}
    for payload, duration, usd in (
        (omni, 5, 0.56),
        (omni | video, 5, 0.84),
        (omni | edited, None, 1.68),
        ({"mode": "pro"}, None, None),
        ({}, None, None),
    ):
        clip = read({"media_urls": ["https://m/a.mp4"]}, "kling-v3-omni", payload=payload).clip()
        assert (clip.duration, clip.cost_usd) == (duration, usd)
    assert read(ELEMENT, "kling-create-element", payload={}).clip().cost_usd == 0
