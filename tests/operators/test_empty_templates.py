"""A template that finds no value renders "None": it is never sent as a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from tests.airflow_context import context
from tests.tasks import ask, operator, posts

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator

TEMPLATE = "{{ ti.xcom_pull(task_ids='write') }}"
NOTHING = ["None", "none", " null ", "nan", "undefined"]


def made(kind: str, rocket: str, **fields: Any) -> Any:
    if kind == "image":
        return operator(rocket, **fields)
    return KlingTextToVideoOperator(**({"task_id": "submit", "prompt": "rise"} | fields))


@pytest.mark.parametrize("kind", ["image", "text"])
@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("value", NOTHING)
def test_it_is_refused_and_the_template_is_named(
    queue: Simulator, rocket: str, kind: str, name: str, value: str
) -> None:
    task = made(kind, rocket, **{name: TEMPLATE})
    setattr(task, name, value)
    with pytest.raises(exceptions.InvalidArgument) as caught:
        task.execute(context())
    for words in (f"`{name}`", repr(value), "xcom_pull(task_ids='write')", "No money was spent"):
        assert words in str(caught.value)
    assert posts(queue) == 0


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_literal_one_is_refused_when_the_dag_is_parsed(rocket: str, kind: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="`prompt` is 'None'; it must be a text"):
        made(kind, rocket, prompt="None")


def test_an_empty_negative_prompt_is_none(queue: Simulator, rocket: str) -> None:
    request_id = operator(rocket, negative_prompt="").execute(context())
    assert "negative_prompt" not in ask(queue, request_id).payload


@pytest.mark.parametrize("place", ["prompt", "nested", "list"])
def test_anywhere_in_a_payload(queue: Simulator, place: str) -> None:
    def payload(text: str) -> dict[str, Any]:
        inner: Any = {"prompt": text, "nested": {"a": text}, "list": ["rise", text]}[place]
        return {"prompt": "rise"} | {place: inner}

    task = GMICloudRequestOperator(
        task_id="submit", model="kling-v3-text-to-video", payload=payload(TEMPLATE)
    )
    task.payload = payload("None")
    with pytest.raises(exceptions.InvalidArgument, match=rf"`payload\.{place}.*'None'.*xcom_pull"):
        task.execute(context())
    assert posts(queue) == 0


def test_a_literal_text_in_a_payload_is_the_users_own(queue: Simulator) -> None:
    payload = {"prompt": "None", "duration": "5"}
    task = GMICloudRequestOperator(task_id="submit", model="kling-v3-text-to-video", payload=payload)
    assert ask(queue, task.execute(context())).payload == payload
