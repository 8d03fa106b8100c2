"""How records and pages of the list are read, however odd they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gmi.request import Page, Request, Status

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = (
    st.integers() | st.floats() | st.sampled_from([10**400, -1, "5", "five", float("inf"), float("nan")])
)
ECHOES = st.fixed_dictionaries({}, optional={"duration": NUMBERS | JSON, "sound": JSON, "prompt": JSON})
TIMES = dict.fromkeys(["created_at", "updated_at", "queued_at"], NUMBERS | JSON)
KEYS = [
    "request_id",
    "status",
    "outcome",
    "payload",
    "created_at",
    "updated_at",
    "queued_at",
    "model",
    "error",
]


def read(**fields: Any) -> Request:
    request = Request.read({"request_id": "a", **fields})
    assert request is not None
    return request


@pytest.mark.parametrize("text", ["SUCCESS", "Success", " success "])
def test_a_status_is_read_in_any_case(text: str) -> None:
    assert read(status=text).status is Status.SUCCESS


@pytest.mark.parametrize("text", ["paused", "", None, 7])
def test_an_unknown_status_is_pending(text: object) -> None:
    assert read(status=text).status is Status.UNKNOWN
    assert not read(status=text).status.terminal


@pytest.mark.parametrize(
    ("outcome", "url"),
    [
        ({"media_urls": [{"id": "0", "url": "https://m/a.mp4"}]}, "https://m/a.mp4"),
        ({"media_urls": ["https://m/a.mp4"]}, "https://m/a.mp4"),
        ({"video_url": "https://m/b.mp4"}, "https://m/b.mp4"),
        ({"media_urls": [{"url": "https://m/a.mp4"}], "video_url": "https://m/b.mp4"}, "https://m/a.mp4"),
        ({"media_urls": [], "video_url": "https://m/b.mp4"}, "https://m/b.mp4"),
        ({"media_urls": [{"id": "0"}, {"url": "https://m/c.mp4"}]}, "https://m/c.mp4"),
        ({"media_urls": None}, None),
        ({"thumbnail_image_url": "https://m/t.jpg"}, None),
        ({"input": {"url": "https://frames/rocket.jpg"}}, None),
        ({"video_url": "gs://bucket/clip.mp4"}, None),
        (None, None),
    ],
)
def test_the_clip_is_read_by_the_names_of_the_fields(outcome: Any, url: str | None) -> None:
    request = read(outcome=outcome, payload={"image": "https://frames/rocket.jpg"})
    assert request.outcome.video_url == url


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"outcome": {"error": "no"}}, "no"),
        ({"outcome": {"error": {"code": 7, "message": "no", "status": "X"}}}, "no"),
        ({"outcome": {"error": {"code": 7}}}, "7"),
        ({"error": "top"}, "top"),
        ({"outcome": {"error": "inner"}, "error": "top"}, "inner"),
        ({"error_message": "em"}, "em"),
        ({"reason": "r"}, "r"),
        ({"outcome": {"message": "m"}}, "m"),
        ({"outcome": {}}, None),
    ],
)
def test_the_reason_is_read_in_the_order_of_the_contract(fields: dict[str, Any], reason: str | None) -> None:
    assert read(status="failed", **fields).outcome.error == reason


def test_the_clip_has_what_was_asked_and_the_price() -> None:
    request = read(
        model="kling-v3-image-to-video",
        status="success",
        payload={"duration": "5", "sound": "on", "image": "https://frames/rocket.jpg"},
        outcome={"media_urls": [{"url": "https://m/a.mp4"}], "thumbnail_image_url": "https://m/t.jpg"},
        created_at=1_700_000_000,
        updated_at=1_700_000_165,
    )
    assert request.clip().to_json() == {
        "request_id": "a",
        "model": "kling-v3-image-to-video",
        "status": "success",
        "video_url": "https://m/a.mp4",
        "thumbnail_url": "https://m/t.jpg",
        "duration": 5,
        "sound": True,
        "cost_usd": 1.26,
        "submitted_at": "2023-11-14T22:13:20+00:00",
        "finished_at": "2023-11-14T22:16:05+00:00",
        "gmi_conn_id": None,
        "label": None,
        "outcome": {
            "media_urls": [{"url": "https://m/a.mp4"}],
            "thumbnail_image_url": "https://m/t.jpg",
        },
        "left_out": None,
    }


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("5", 5),
        (5, 5),
        (5.0, 5),
        (0, None),
        (-5, None),
        ("five", None),
        (None, None),
        (float("inf"), None),
        (float("nan"), None),
        (10**400, None),
    ],
)
def test_an_unusable_duration_in_the_echo_is_unknown(told: object, seconds: int | None) -> None:
    """An exception would end every wait of the connection."""
    request = read(model="kling-v3-image-to-video", payload={"duration": told, "sound": "off"})
    assert request.duration == seconds
    assert (request.clip().to_json()["cost_usd"] is None) == (seconds is None)


def test_with_an_empty_echo_the_clip_does_not_say_what_was_asked() -> None:
    clip = read(status="success", model="kling-v3-image-to-video", payload={}).clip().to_json()
    assert (clip["duration"], clip["sound"], clip["cost_usd"]) == (None, None, None)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (1_700_000_000, 1_700_000_000),
        (1_700_000_000.9, 1_700_000_000),
        (0, None),
        (-1, None),
        (0.5, None),
        (True, None),
        ("1700000000", None),
        (float("inf"), None),
        (float("nan"), None),
        (1_700_000_000_000_000, None),
    ],
)
def test_an_unusable_time_is_unknown(told: object, seconds: int | None) -> None:
    request = read(status="success", created_at=told, updated_at=told)
    assert (request.created_at, request.updated_at) == (seconds, seconds)
    assert (request.clip().to_json()["finished_at"] is None) == (seconds is None)


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(KEYS, JSON)
        | TIMES
        | {
            "request_id": st.just("a") | JSON,
            "model": st.just("kling-v3-image-to-video") | JSON,
            "payload": ECHOES | JSON,
        },
    )
)
def test_any_record_is_read_without_an_exception(data: dict[str, Any]) -> None:
    request = Request.read(data)
    assert (request is not None) == (
        isinstance(data.get("request_id"), str) and bool(data["request_id"].strip())
    )
    if request is not None:
        assert request.clip().to_json()["request_id"] == request.request_id
        assert request.duration is None or request.duration > 0


@pytest.mark.parametrize("levels", [60, 900, 5_000])
def test_a_reason_nested_without_end_is_none(levels: int) -> None:
    nested: list[Any] = []
    for _ in range(levels):
        nested = [nested]
    assert read(status="failed", error={"message": nested}).outcome.error is None
    assert read(status="failed", error={"message": nested, "details": "why"}).outcome.error == "why"
    assert read(status="failed", error={"code": nested}).outcome.error is None


@given(JSON)
def test_any_other_value_is_not_a_record(data: Any) -> None:
    if not isinstance(data, dict):
        assert Request.read(data) is None


def test_only_the_wanted_rows_of_a_page_are_read() -> None:
    rows = [
        {"request_id": "a", "status": "queued", "created_at": 5, "updated_at": 9},
        {"request_id": " b ", "status": "success", "created_at": 7},
        {"request_id": "c", "created_at": "today"},
        {"request_id": ""},
        "no row",
    ]
    whole = Page.read({"requests": rows}, served_at=10.0)
    assert [(request.request_id, request.stamp) for request in whole.requests] == [
        ("a", 9),
        ("b", 7),
        ("c", 0),
    ]
    assert (whole.rows, whole.unread) == (5, {})

    partial = Page.read({"requests": rows}, served_at=10.0, only={"b"})
    assert [request.request_id for request in partial.requests] == ["b"]
    assert (partial.rows, partial.unread) == (5, {"a": 9, "c": 0})


@pytest.mark.parametrize(
    ("page", "offset", "more"),
    [
        (Page((), rows=0, has_more=True), 100, False),
        (Page((), rows=100, has_more=True), 100, True),
        (Page((), rows=100, has_more=False), 100, False),
        (Page((), rows=100, total=250), 200, True),
        (Page((), rows=50, total=250), 250, False),
        (Page((), rows=100), 100, True),
        (Page((), rows=99), 99, False),
    ],
)
def test_a_page_says_whether_older_requests_follow(page: Page, offset: int, more: bool) -> None:
    assert page.continues(offset, 100) is more
