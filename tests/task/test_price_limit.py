"""``max_cost_usd`` fails closed: through every operator that spends, against the simulator's catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.gmi.retries import Retries
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from tests.airflow_context import TaskStateStore, context
from tests.tasks import operator, posts

if TYPE_CHECKING:
    from kling_airflow.operators.base import GenerationOperator
    from kling_airflow.simulator import Simulator

KINDS = ["image", "text", "request"]
every_kind = pytest.mark.parametrize("kind", KINDS)


def made(kind: str, rocket: str, **fields: Any) -> GenerationOperator:
    """Return an operator of a 5 s clip, which costs $0.84."""
    if kind == "image":
        return operator(rocket, **fields)
    shared: dict[str, Any] = {"task_id": "submit", "poll_interval": 0.01}
    if kind == "text":
        return KlingTextToVideoOperator(prompt="rise", **(shared | fields))
    payload = {"prompt": "rise", "duration": "5"}
    return GMICloudRequestOperator(model="kling-v3-text-to-video", payload=payload, **(shared | fields))


def rendered(kind: str, rocket: str, value: Any) -> GenerationOperator:
    """Return an operator whose limit is a template that has rendered this value."""
    templated = made(kind, rocket, max_cost_usd="{{ params.limit }}")
    templated.max_cost_usd = value  # type: ignore[attr-defined]
    return templated


@pytest.fixture
def dearer(queue: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor that takes $0.90 a second now."""
    from kling_airflow.simulator.queue.catalog import Model

    describe = Model.describe

    def described(model: Model, org_id: str) -> dict[str, Any]:
        return describe(model, org_id) | {"price_info": {"price": 900_000, "unit": "second"}}

    monkeypatch.setattr(Model, "describe", described)


@every_kind
@pytest.mark.parametrize(
    "value",
    ["", " ", "None", "none", "null", "nan", "inf", "1e999", "$1", "1,000", "1_5", True, -1, "{{ x }}"],
)
def test_a_limit_that_is_no_amount_is_refused(queue: Simulator, rocket: str, kind: str, value: Any) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="`max_cost_usd` is"):
        rendered(kind, rocket, value).execute(context())
    assert posts(queue) == 0


@every_kind
def test_only_none_is_no_limit(queue: Simulator, rocket: str, kind: str) -> None:
    made(kind, rocket, max_cost_usd=None).execute(context())
    assert posts(queue) == 1
    assert "GET /models/{id}" not in queue.calls()


@every_kind
@pytest.mark.parametrize("value", ["", "None", "cheap"])
def test_a_literal_limit_that_is_no_amount_is_refused_when_the_dag_is_parsed(
    rocket: str, kind: str, value: str
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="`max_cost_usd` is"):
        made(kind, rocket, max_cost_usd=value)


@every_kind
@pytest.mark.usefixtures("dearer")
def test_the_catalog_price_counts_if_it_is_higher(queue: Simulator, rocket: str, kind: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=r"`max_cost_usd` is 1, and .* costs \$4\.50"):
        made(kind, rocket, max_cost_usd=1).execute(context())
    assert posts(queue) == 0
    made(kind, rocket, max_cost_usd=4.5).execute(context())
    assert posts(queue) == 1


@every_kind
def test_within_the_limit(queue: Simulator, rocket: str, kind: str) -> None:
    made(kind, rocket, max_cost_usd="0.84").execute(context())
    assert posts(queue) == 1
    assert queue.calls()["GET /models/{id}"] == 1


@every_kind
def test_a_catalog_that_can_not_be_asked_now_refuses_for_now(
    queue: Simulator, rocket: str, kind: str
) -> None:
    queue.faults.add("bad-gateway", call="GET /models/{id}", times=99)
    task = made(kind, rocket, max_cost_usd=1)
    task._hook.get_conn().retries = Retries(attempts=1)
    with pytest.raises(exceptions.Unreachable, match=r"No money was spent\. `max_cost_usd` needs the price"):
        task.execute(context())
    assert posts(queue) == 0


def test_without_a_catalog_entry_the_table_is_used(
    queue: Simulator, rocket: str, logged: Callable[[], str]
) -> None:
    queue.faults.add(
        "http-error", call="GET /models/{id}", status=404, message="model does not exist", times=9
    )
    made("image", rocket, max_cost_usd=1).execute(context())
    assert posts(queue) == 1
    assert "goes by this package's price table" in logged()
    with pytest.raises(exceptions.NotFound):
        made("text", rocket, max_cost_usd=1).execute(context(TaskStateStore()))
    assert posts(queue) == 1
