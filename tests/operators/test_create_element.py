"""Elements: made once, and handed to every clip that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from kling_airflow import exceptions
from kling_airflow.operators.create_element import KlingCreateElementOperator
from kling_airflow.operators.omni import KlingOmniOperator
from kling_airflow.submission.marks import order_ids
from tests.airflow_context import TaskStateStore, context
from tests.tasks import ask, finish, posts

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator


def element(image: str, **fields: Any) -> KlingCreateElementOperator:
    defaults: dict[str, Any] = {
        "task_id": "element",
        "element_name": "hero",
        "element_description": "A pilot in a red suit.",
        "frontal_image": image,
        "refer_images": [image],
        "poll_interval": 0.01,
        "resubmit_delay": 0,
    }
    return KlingCreateElementOperator(**(defaults | fields))


def test_what_is_sent_and_what_is_returned(queue: Simulator, rocket: str) -> None:
    made = element(rocket, refer_images=[rocket, rocket], tags=["o_102"])
    running = context()
    result = finish(made, running)
    payload = ask(queue, result["request_id"]).payload
    addresses = [payload.pop("frontal_image"), *payload.pop("refer_images")]
    assert payload == {
        "element_name": "hero",
        "element_description": "A pilot in a red suit.",
        "reference_type": "image_refer",
        "tag_list": [{"tag_id": "o_102"}],
    }
    assert len(addresses) == 3
    assert all(order_ids(requests.get(url, timeout=5).content) for url in addresses)
    assert result["element_id"] == result["outcome"]["element_id"]
    assert (result["cost_usd"], result["video_url"]) == (0, None)


def test_a_clip_takes_the_result(queue: Simulator, rocket: str) -> None:
    result = finish(element(rocket), context())
    clip = KlingOmniOperator(
        task_id="clip", prompt="<<<element_1>>> waves", elements=[result], aspect_ratio="16:9"
    )
    request_id = clip.execute(context())
    assert ask(queue, request_id).payload["element_list"] == [{"element_id": result["element_id"]}]


def test_a_retry_returns_the_element_that_was_made(queue: Simulator, rocket: str) -> None:
    store = TaskStateStore()
    first = finish(element(rocket), context(store))
    assert finish(element(rocket), context(store))["element_id"] == first["element_id"]
    assert posts(queue) == 1


def test_a_success_without_an_element_is_no_success(queue: Simulator, rocket: str) -> None:
    queue.faults.add("success-no-media")
    with pytest.raises(exceptions.GenerationFailed, match="names no `element_id`; it has `media_urls`"):
        finish(element(rocket), context())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"element_name": "x" * 21}, ["element_name", "21", "20"]),
        ({"element_name": " "}, ["element_name", "empty"]),
        ({"element_description": "x" * 101}, ["element_description", "101", "100"]),
        ({"refer_images": None}, ["refer_images", "0 entries", "1 to 3"]),
        ({"refer_images": ["https://p.example/a.png"] * 4}, ["refer_images", "4 entries", "1 to 3"]),
        ({"frontal_image": None}, ["`frontal_image` is missing"]),
        ({"max_cost_usd": ""}, ["max_cost_usd", "''"]),
    ],
)
def test_a_wrong_element_is_refused_when_the_dag_is_parsed(fields: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(exceptions.InvalidArgument) as caught:
        element("https://p.example/a.png", **fields)
    for word in [*words, "No money was spent"]:
        assert word in str(caught.value)


def test_a_dearer_catalog_is_believed(queue: Simulator, rocket: str) -> None:
    queue.faults.add("catalogue-price", price=100_000)
    with pytest.raises(exceptions.InvalidArgument, match=r"0\.05.*the element 'hero' costs \$0\.10"):
        element(rocket, max_cost_usd=0.05).execute(context())
    assert queue.ledger() == []
