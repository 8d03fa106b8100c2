"""Where a wait is over: every kind of look, at every moment."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow import errors
from kling_airflow.errors import (
    GenerationCancelled,
    GenerationFailed,
    GenerationTimeout,
    GMIError,
    InvalidArgument,
    KlingError,
    Money,
    NotFound,
    Unauthorized,
    Unreachable,
    WrongService,
)
from kling_airflow.gmi.request import Request
from kling_airflow.polling import decision
from kling_airflow.polling.decision import (
    NOT_FOUND_GRACE,
    REFUSED_SECONDS,
    Wait,
    checked_interval,
    from_event,
    is_temporary,
    to_event,
)

START = 1_000_000.0
WAIT = Wait("a", started_at=START, deadline=START + 3600, unreachable_after=600)


def request(status: str, **fields: Any) -> Request:
    made = Request.read({"request_id": "a", "status": status, **fields})
    assert made is not None
    return made


def decide(
    seen: Request | GMIError, after: float = 10, last: float | None = None
) -> Request | GMIError | None:
    last_response_at = None if last is None else START + last
    return WAIT.decide(seen, now=START + after, last_response_at=last_response_at)


DONE = request("success", outcome={"video_url": "https://m/a.mp4"})


@pytest.mark.parametrize("status", ["created", "queued", "dispatched", "processing", "PAUSED", ""])
def test_an_active_request_is_waited_for(status: str) -> None:
    assert decide(request(status)) is None


def test_a_clip_ends_the_wait_even_after_the_deadline() -> None:
    assert decide(DONE) is DONE
    assert decide(DONE, after=9999) is DONE


def test_a_success_without_a_clip_is_an_error_of_its_own_that_was_paid_for() -> None:
    end = decide(request("success"))
    assert isinstance(end, GenerationFailed)
    assert end.money is Money.SPENT
    assert not end.retryable


@pytest.mark.parametrize(
    ("model", "outcome"),
    [
        ("inworld-tts-1.5-max", {"audio_url": "https://m/a.wav"}),
        ("kling-create-element", {"element_id": "7"}),
        ("kling-identify-face", {"data": {"session_id": "s"}}),
        ("kling-custom-voice", {"voices": [{"voice_id": "v"}]}),
    ],
)
def test_a_success_of_a_model_without_clips_is_its_outcome(model: str, outcome: dict[str, Any]) -> None:
    end = decide(request("success", outcome=outcome, model=model))
    assert isinstance(end, Request)
    assert from_event(json.loads(json.dumps(to_event(end))))["outcome"] == outcome


def test_a_paid_outcome_without_a_clip_says_how_it_is_read() -> None:
    end = decide(request("success", outcome={"element_id": "7"}, model="kling-v3-omni"))
    assert isinstance(end, GenerationFailed)
    assert end.money is Money.SPENT
    assert "`element_id`" in end.what
    assert "outcome.values" in end.todo


@pytest.mark.parametrize(
    ("reason", "retryable"),
    [
        ("rate limit exceeded(RPM)", True),
        ("Upstream capacity temporarily exhausted; please retry later", True),
        ("Failed to download media", True),
        ("Generation rejected; please review the prompt and parameters then retry", False),
        ("content policy violation", False),
        ("image resolution is too small", False),
        (None, False),
    ],
)
def test_a_failure_says_whether_it_is_temporary(reason: str | None, retryable: bool) -> None:
    end = decide(request("failed", outcome={"error": reason}))
    assert isinstance(end, GenerationFailed)
    assert end.retryable is retryable
    assert end.money is Money.NOT_BILLED
    assert (reason or "no reason").rstrip(".") in end.what


def test_a_cancelled_request_ends_the_wait() -> None:
    assert isinstance(decide(request("cancelled")), GenerationCancelled)


def test_at_the_deadline_the_request_stays_alive() -> None:
    assert decide(request("queued"), after=3599) is None
    end = decide(request("queued"), after=3600)
    assert isinstance(end, GenerationTimeout)
    assert end.money is Money.HELD
    assert "queued" in end.what
    assert "3600 s" in end.what


def test_a_refused_key_ends_the_wait_only_after_minutes() -> None:
    """While a key is rotated, the old one is refused for a moment."""

    def decide_refused(after: float, since: float) -> Request | KlingError | None:
        now = START + after
        return WAIT.decide(Unauthorized("no"), now=now, last_response_at=None, refused_since=START + since)

    assert REFUSED_SECONDS == 300
    assert decide_refused(after=10, since=10) is None
    assert decide_refused(after=309, since=10) is None
    assert isinstance(decide_refused(after=310, since=10), Unauthorized)
    assert isinstance(decide_refused(after=3600, since=3590), GenerationTimeout)


def test_there_is_a_shortest_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision, "MIN_INTERVAL", 1.0)
    for interval in (0, 0.0, "0", timedelta(0), 1e-9):
        assert checked_interval(interval) == 1.0
    assert checked_interval(timedelta(minutes=1)) == 60.0
    assert WAIT.next_look(START, 0.0) == 1.0


ODD: list[Any] = [
    None, True, "", "soon", "nan", float("nan"), float("inf"), -1, -0.5, 10**400, [], {}, object(), b"5",
    "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("field", ["request_id", "started_at", "deadline", "unreachable_after"])
@pytest.mark.parametrize("value", [*ODD, timedelta(seconds=-1)], ids=lambda value: type(value).__name__)
def test_a_value_that_can_not_be_used_is_named(field: str, value: Any) -> None:
    if field == "request_id" and isinstance(value, str) and value:
        return
    with pytest.raises(InvalidArgument, match=f"`{field}`") as caught:
        replace(WAIT, **{field: value}).checked()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("value", [*ODD, timedelta(seconds=-1)], ids=lambda value: type(value).__name__)
def test_an_interval_that_can_not_be_used_is_named(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="`poll_interval`"):
        checked_interval(value)


def test_a_time_may_be_a_text_or_a_timedelta() -> None:
    assert replace(WAIT, unreachable_after=timedelta(minutes=1)).checked().unreachable_after == 60.0
    assert replace(WAIT, unreachable_after="90").checked().unreachable_after == 90.0
    assert WAIT.checked() == WAIT


@pytest.mark.parametrize("error", [Unauthorized("no"), InvalidArgument("base URL")])
def test_a_wrong_connection_ends_the_wait_at_once(error: GMIError) -> None:
    assert decide(error) is error


@pytest.mark.parametrize("error", [Unreachable("502"), WrongService("html"), errors.Rejected("400")])
def test_every_other_error_ends_the_wait_only_after_a_time(error: GMIError) -> None:
    assert decide(error, after=599) is None
    assert decide(error, after=2000, last=1500) is None

    end = decide(error, after=600)
    assert isinstance(end, Unreachable)
    assert error.what in end.what
    assert isinstance(decide(error, after=2100, last=1500), Unreachable)


def test_an_unreachable_queue_at_the_deadline_is_a_timeout() -> None:
    assert isinstance(decide(Unreachable("502"), after=3600, last=3500), GenerationTimeout)


def test_an_unknown_id_is_pending_just_after_the_submission() -> None:
    assert decide(NotFound("404"), after=NOT_FOUND_GRACE - 1) is None
    assert isinstance(decide(NotFound("404"), after=NOT_FOUND_GRACE), NotFound)
    late = Wait("a", started_at=START, deadline=START + 3600, submitted_at=START - NOT_FOUND_GRACE)
    assert isinstance(late.decide(NotFound("404"), now=START + 1, last_response_at=None), NotFound)


@given(
    now=st.floats(0, 10_000),
    interval=st.floats(0, 600),
    retry_after=st.none() | st.floats(0, 10_000),
)
def test_the_next_look_is_never_past_the_deadline(
    now: float, interval: float, retry_after: float | None
) -> None:
    pause = WAIT.next_look(START + now, interval, retry_after=retry_after)
    assert pause >= 0
    assert START + now + pause <= max(WAIT.deadline, START + now) + 1e-3
    assert pause == 0 or pause >= min(interval, WAIT.deadline - START - now) - 1e-3


ENDS: list[Request | GMIError] = [
    DONE,
    GenerationFailed("f", retryable=True, request_id="a"),
    GenerationFailed("f", money=Money.SPENT, todo="t"),
    GenerationCancelled("c", request_id="a"),
    GenerationTimeout("t", request_id="a"),
    Unreachable("u"),
    Unauthorized("k"),
    NotFound("n"),
    InvalidArgument("i"),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
def test_an_event_is_the_same_after_the_database(end: Request | GMIError) -> None:
    event = json.loads(json.dumps(to_event(end)))
    if isinstance(end, Request):
        assert from_event(event) == end.clip().to_json()
        return
    with pytest.raises(type(end)) as caught:
        from_event(event)
    assert str(caught.value) == str(end)
    assert caught.value.request_id == end.request_id
    assert getattr(caught.value, "retryable", None) == getattr(end, "retryable", None)


def test_the_echo_is_not_in_the_event() -> None:
    done = request("success", outcome={"video_url": "https://m/a.mp4"}, payload={"image": "QUJD" * 1000})
    assert len(json.dumps(to_event(done))) < 1000


@pytest.mark.parametrize("event", [None, "done", {}, {"state": 7}, {"state": "done"}, {"state": "paused"}])
def test_an_unreadable_event_is_an_error_after_which_a_retry_helps(event: Any) -> None:
    with pytest.raises(Unreachable):
        from_event(event)


def test_a_content_failure_is_not_temporary() -> None:
    assert not is_temporary("prompt violates the content policy")
