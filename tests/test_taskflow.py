"""A clip bought in TaskFlow code is bought once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kling_airflow.exceptions import InvalidArgument
from kling_airflow.taskflow import buy
from tests.airflow_context import TaskStateStore, context
from tests.task_fixtures import *  # noqa: F403 -- fixtures are found by their names
from tests.tasks import posts

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator

FAST = {"poll_interval": 0.01, "duration": 3}


def test_a_retry_returns_the_clip_that_was_bought(queue: Simulator) -> None:
    store = TaskStateStore()
    first = buy(context=context(store), prompt="rise", label="launch", **FAST)
    assert buy(context=context(store), prompt="rise", label="launch", **FAST) == first
    assert posts(queue) == 1
    assert (first["label"], first["cost_usd"], first["gmi_conn_id"]) == ("launch", 0.504, "gmi_cloud_default")


def test_another_take_or_prompt_is_another_clip(queue: Simulator) -> None:
    store = TaskStateStore()
    ids = {
        buy(context=context(store), prompt=prompt, take=take, wait_for_completion=False, **FAST)
        for prompt, take in (("rise", 1), ("rise", 2), ("fall", 1), ("rise", 1))
    }
    assert len(ids) == posts(queue) == 3


def test_a_frame_and_a_payload_choose_the_operator(queue: Simulator, rocket: str) -> None:
    clip = buy(context=context(), image=rocket, prompt="rise", **FAST)
    assert clip["model"] == "kling-v3-image-to-video"
    payload = {"prompt": "rise", "duration": "3"}
    other = buy(context=context(), model="kling-v3-text-to-video", payload=payload, poll_interval=0.01)
    assert other["model"] == "kling-v3-text-to-video"


def test_an_element_and_its_clip_in_one_task(queue: Simulator, rocket: str) -> None:
    quick = {"context": context(), "poll_interval": 0.01}
    hero = buy(
        element_name="hero",
        element_description="A pilot.",
        frontal_image=rocket,
        refer_images=[rocket],
        **quick,
    )
    clip = buy(prompt="<<<element_1>>> waves", elements=[hero], aspect_ratio="1:1", mode="std", **quick)
    assert (clip["model"], clip["cost_usd"]) == ("kling-v3-omni", 0.42)


def test_the_wait_is_on_the_worker() -> None:
    with pytest.raises(InvalidArgument, match="deferrable"):
        buy(context=context(), prompt="rise", deferrable=True)
