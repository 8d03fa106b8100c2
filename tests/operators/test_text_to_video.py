"""A clip of a prompt alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from tests.airflow_context import TaskStateStore, context
from tests.tasks import ask, finish, posts

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.simulator import Simulator


def operator(**fields: Any) -> KlingTextToVideoOperator:
    return KlingTextToVideoOperator(
        **({"task_id": "submit", "prompt": "rise", "poll_interval": 0.01, "resubmit_delay": 0} | fields)
    )


def test_what_is_sent(queue: Simulator) -> None:
    made = operator(duration=10, sound=True, aspect_ratio="9:16", negative_prompt="rain")
    assert ask(queue, made.execute(context())).payload == {
        "prompt": "rise", "negative_prompt": "rain", "duration": "10", "sound": "on", "aspect_ratio": "9:16",
    }  # fmt: skip


def test_defaults(queue: Simulator) -> None:
    assert ask(queue, operator().execute(context())).payload == {
        "prompt": "rise", "duration": "5", "sound": "off", "aspect_ratio": "16:9",
    }  # fmt: skip


@pytest.mark.parametrize("mode", [{"deferrable": True}, {"deferrable": False}])
def test_it_waits_for_the_clip(queue: Simulator, mode: dict[str, Any]) -> None:
    clip = finish(operator(sound="on", wait_for_completion=True, **mode), context())
    (entry,) = queue.ledger()
    assert (clip["request_id"], clip["cost_usd"]) == (entry.request_id, entry.amount_usd)
    assert (clip["duration"], clip["sound"], clip["model"]) == (5, True, "kling-v3-text-to-video")


def test_a_retry_returns_what_was_bought(queue: Simulator) -> None:
    store = TaskStateStore()
    first = operator(duration=5).execute(context(store))
    assert operator(duration="5").execute(context(store)) == first
    assert operator(aspect_ratio="1:1").execute(context(store)) != first
    assert posts(queue) == 2


@pytest.mark.usefixtures("deployment")
def test_a_request_with_a_lost_response_is_adopted_by_one_task_only(
    queue: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a frame nothing marks a request; twins are told apart by who claims which."""
    monkeypatch.setattr("kling_airflow.submission.recover.LOOKS", (0.0,))
    queue.faults.add("reset-after", call="POST /requests")
    ours = operator(ledger=tmp_path.as_uri()).execute(context())
    queue.faults.add("reset-before", call="POST /requests")
    twin = context()
    twin["ti"].map_index = 1
    with pytest.raises(exceptions.UnresolvedSubmission, match=f"{ours} is another order's"):
        operator(ledger=tmp_path.as_uri()).execute(twin)
    assert [entry.request_id for entry in queue.ledger()] == [ours]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": " "}, ["prompt", "empty"]),
        ({"prompt": "x" * 2501}, ["prompt", "2501", "2500"]),
        ({"duration": 16}, ["duration", "16", "3 to 15"]),
        ({"sound": "loud"}, ["sound", "'loud'"]),
        ({"aspect_ratio": "4:3"}, ["aspect_ratio", "'4:3'", "16:9, 9:16, 1:1"]),
        ({"take": "two"}, ["take", "'two'"]),
        ({"max_cost_usd": 0.5}, ["max_cost_usd", "0.5", "this clip (5 s) costs $0.84"]),
        ({"max_cost_usd": 1, "sound": True}, ["$1.26", "5 s with sound"]),
    ],
)
def test_bad_input(queue: Simulator, fields: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(exceptions.InvalidArgument) as caught:
        operator(**fields).execute(context())
    for word in [*words, "No money was spent"]:
        assert word in str(caught.value)
    assert posts(queue) == 0


def test_everything_a_user_would_template_is_a_template_field() -> None:
    made = operator()
    assert set(made.template_fields) >= {
        "prompt", "negative_prompt", "duration", "sound", "aspect_ratio", "max_cost_usd", "take",
        "adopt_request_id", "gmi_conn_id",
    }  # fmt: skip
    for name in made.template_fields:
        assert hasattr(made, name)
