"""Text that can't be encoded or stored is refused before anything is sent, in each field sent or kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_airflow import exceptions
from kling_airflow.arguments import unsendable
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from kling_airflow.taskflow import buy
from tests.airflow_context import context
from tests.tasks import operator, posts

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator

BROKEN = ["cut \ud83d", "\udc00", "a\0b", "\0"]
KEPT = ("label", "gmi_conn_id", "adopt_request_id", "ledger")
FIELDS = {
    "image": (
        "prompt",
        "negative_prompt",
        "label",
        "gmi_conn_id",
        "adopt_request_id",
        "ledger",
        "image_tail",
    ),
    "text": ("prompt", "negative_prompt", "label", "gmi_conn_id", "adopt_request_id", "ledger"),
    "payload": ("model", "label", "gmi_conn_id", "adopt_request_id", "ledger"),
}


def made(kind: str, rocket: str) -> Any:
    if kind == "image":
        return operator(rocket)
    if kind == "text":
        return KlingTextToVideoOperator(task_id="submit", prompt="rise")
    return GMICloudRequestOperator(task_id="submit", model="any", payload={"prompt": "rise"})


@pytest.mark.parametrize("text", BROKEN, ids=ascii)
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in FIELDS.items() for name in names])
def test_a_field_that_a_template_has_filled(
    queue: Simulator, rocket: str, kind: str, name: str, text: str
) -> None:
    task = made(kind, rocket)
    setattr(task, {"label": "clip_label"}.get(name, name), text)
    with pytest.raises(exceptions.InvalidArgument, match=f"`{name}`.*(half a surrogate pair|NUL)") as caught:
        task.execute(context())
    assert "No money was spent" in str(caught.value)
    str(caught.value).encode(errors="strict")
    assert posts(queue) == 0


@pytest.mark.parametrize("text", BROKEN, ids=ascii)
@pytest.mark.parametrize("place", ["value", "key", "nested", "list"])
def test_anywhere_in_a_payload(queue: Simulator, rocket: str, place: str, text: str) -> None:
    task = made("payload", rocket)
    inner = {"value": {"a": text}, "key": {text: "a"}, "nested": {"a": {"b": text}}, "list": {"a": [1, text]}}
    task.payload = inner[place]
    with pytest.raises(exceptions.InvalidArgument, match="`payload.*(half a surrogate pair|NUL)"):
        task.execute(context())
    assert posts(queue) == 0


@pytest.mark.parametrize("text", BROKEN, ids=ascii)
def test_an_address_that_is_passed_on(queue: Simulator, text: str) -> None:
    task = operator("https://a/b.png", image_delivery="url")
    task.image = f"https://a/{text}.png"
    with pytest.raises(exceptions.InvalidArgument, match="`image`"):
        task.execute(context())
    assert posts(queue) == 0


@pytest.mark.parametrize("text", BROKEN, ids=ascii)
def test_in_taskflow(queue: Simulator, text: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="`prompt`"):
        buy(context=context() | {"task": None}, prompt=text)
    assert posts(queue) == 0


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=[])))
def test_what_passes_can_be_encoded_and_stored(text: str) -> None:
    problem = unsendable(text)
    if problem is None:
        assert "\0" not in text.encode().decode()
    else:
        assert "\0" in text or any("\ud800" <= character <= "\udfff" for character in text)
        problem.encode()
