"""A subclass changes its arguments on every path; the paid step tells assets and lineage what it bought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from tests.airflow_context import TaskStateStore, context
from tests.airflow_versions import Asset, OutletEventAccessors
from tests.tasks import ask, finish, posts

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator


class Noir(KlingTextToVideoOperator):
    def before_submission(self, context: Any) -> None:
        self.prompt = f"Noir. {self.prompt}"


def noir(**fields: Any) -> Noir:
    fast = {"poll_interval": 0.01, "resubmit_delay": 0, "wait_for_completion": True}
    return Noir(task_id="submit", prompt="rise", **(fast | fields))


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_second_purchase_has_the_style_of_the_first(queue: Simulator, deferrable: bool) -> None:
    queue.faults.add("failed-rate-limit", times=1)
    clip = finish(noir(deferrable=deferrable), context())
    assert posts(queue) == 2
    prompts = [(ask(queue, entry.request_id).payload or {})["prompt"] for entry in queue.ledger()]
    assert prompts == ["Noir. rise"] * 2
    assert clip["request_id"] == queue.ledger()[-1].request_id


def test_a_retry_finds_the_clip_of_the_changed_prompt(queue: Simulator) -> None:
    store = TaskStateStore()
    first = finish(noir(), context(store))
    assert finish(noir(), context(store)) == first
    assert posts(queue) == 1


def test_assets_and_lineage_of_the_paid_step(queue: Simulator, rocket: str) -> None:
    asset = Asset(uri="s3://clips/a.mp4")
    made = KlingImageToVideoOperator(
        task_id="submit",
        image={"uri": rocket},
        prompt="rise",
        label="launch",
        poll_interval=0.01,
        wait_for_completion=True,
        deferrable=False,
        outlets=[asset],
    )
    given = context()
    given["outlet_events"] = OutletEventAccessors()
    clip = made.execute(given)
    assert given["outlet_events"][asset].extra == {
        "request_id": clip["request_id"],
        "cost_usd": clip["cost_usd"],
        "duration_seconds": 5,
        "label": "launch",
    }
    facets = made.get_openlineage_facets_on_complete(None)
    assert [dataset.name for dataset in facets.inputs] == [rocket.removeprefix("file://")]
    assert len(facets.outputs) == 1
