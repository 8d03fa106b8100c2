"""Any model of the queue, its payload passed through untouched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.operators.request import GMICloudRequestOperator
from tests.airflow_context import TaskStateStore, context
from tests.tasks import ask, finish, posts

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.simulator import Simulator

TEXT_TO_VIDEO = "kling-v3-text-to-video"
SPEECH = "inworld-tts-1.5-max"
RISE = {"prompt": "rise", "duration": "5", "sound": "on"}


def request(model: str = TEXT_TO_VIDEO, payload: Any = RISE, **fields: Any) -> GMICloudRequestOperator:
    defaults: dict[str, Any] = {"task_id": "submit", "poll_interval": 0.01, "resubmit_delay": 0}
    return GMICloudRequestOperator(model=model, payload=payload, **(defaults | fields))


def test_the_payload_is_sent_unchanged(queue: Simulator) -> None:
    payload = {"prompt": "rise é \n", "negative_prompt": "", "duration": "15", "aspect_ratio": "1:1"}
    request_id = request(payload=payload).execute(context())
    assert ask(queue, request_id).payload == payload


def test_its_strings_are_rendered(queue: Simulator) -> None:
    made = request(model="{{ model }}", payload={"prompt": "{{ words }}", "image_list": ["{{ words }}"]})
    made.render_template_fields({"model": TEXT_TO_VIDEO, "words": "rise"})
    assert made.model == TEXT_TO_VIDEO
    assert made.payload == {"prompt": "rise", "image_list": ["rise"]}


@pytest.mark.parametrize("mode", [{"deferrable": True}, {"deferrable": False}])
def test_it_waits_for_the_result(queue: Simulator, mode: dict[str, Any]) -> None:
    clip = finish(request(wait_for_completion=True, **mode), context())
    (entry,) = queue.ledger()
    assert clip["request_id"] == entry.request_id
    assert clip["model"] == TEXT_TO_VIDEO
    assert (clip["duration"], clip["sound"]) == (5, True)
    assert clip["cost_usd"] == entry.amount_usd == 1.26, "by the catalog"


def test_a_catalog_that_can_not_be_asked_costs_no_clip(
    queue: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kling_airflow.gmi.retries.Retries.wait", lambda *_: 0.0)
    queue.faults.add("bad-gateway", call="GET /models/{id}", times=99)
    clip = finish(request(wait_for_completion=True), context())
    assert clip["cost_usd"] is None
    assert clip["video_url"]


def test_a_synchronous_model_is_done_at_once(queue: Simulator) -> None:
    """Some models answer the POST with a terminal record (seen)."""
    made = request(SPEECH, {"text": "Lift-off."}, wait_for_completion=True)
    clip = made.execute(context())  # without a deferral
    assert clip["status"] == "success"
    assert clip["outcome"]["audio_url"].startswith("http")
    assert clip["video_url"] is None
    assert (clip["duration"], clip["sound"], clip["cost_usd"]) == (None, None, 0.01)
    assert posts(queue) == 1


class TestOnce:
    def test_a_retry_returns_what_was_bought(self, queue: Simulator) -> None:
        store = TaskStateStore()
        assert request().execute(context(store)) == request().execute(context(store))
        assert posts(queue) == 1

    @pytest.mark.parametrize("changed", [{"prompt": "fall"}, {"duration": "6"}, {"aspect_ratio": "1:1"}])
    def test_another_payload_is_another_order(self, queue: Simulator, changed: dict[str, str]) -> None:
        store = TaskStateStore()
        request().execute(context(store))
        request(payload=RISE | changed).execute(context(store))
        assert posts(queue) == 2

    def test_the_order_of_the_keys_is_no_difference(self, queue: Simulator) -> None:
        store = TaskStateStore()
        request().execute(context(store))
        request(payload=dict(reversed(RISE.items()))).execute(context(store))
        assert posts(queue) == 1

    @pytest.mark.usefixtures("deployment")
    @pytest.mark.parametrize(
        "payload", [RISE, RISE | {"negative_prompt": None}, {"prompt": "rise", "duration": 5}]
    )
    def test_a_lost_request_is_adopted_if_the_ledger_can_claim_it(
        self, queue: Simulator, payload: dict[str, Any], tmp_path: Path
    ) -> None:
        queue.faults.add("reset-after", call="POST /requests")
        request_id = request(payload=payload, ledger=tmp_path.as_uri()).execute(context())
        assert [entry.request_id for entry in queue.ledger()] == [request_id]

    def test_a_lost_request_is_left_to_a_person_if_the_ledger_can_not_claim(self, queue: Simulator) -> None:
        queue.faults.add("reset-after", call="POST /requests")
        with pytest.raises(
            exceptions.UnresolvedSubmission, match=r"may be another task's.*adopt_request_id"
        ) as error:
            request().execute(context())
        assert queue.ledger()[0].request_id in str(error.value)
        assert posts(queue) == 1


class TestRefusing:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"model": ""}, ["model", "''"]),
            ({"model": None}, ["model", "None"]),
            ({"payload": {}}, ["payload", "dict"]),
            ({"payload": None}, ["payload", "NoneType"]),
            ({"payload": "prompt=rise"}, ["payload", "str"]),
            ({"take": 0}, ["take", "0"]),
            ({"max_cost_usd": 1.2}, ["max_cost_usd", "1.2", "$1.26", TEXT_TO_VIDEO]),
            ({"max_cost_usd": "cheap"}, ["max_cost_usd", "'cheap'"]),
        ],
    )
    def test_bad_input(self, queue: Simulator, fields: dict[str, Any], words: list[str]) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            request(**fields).execute(context())
        for word in [*words, "No money was spent"]:
            assert word in str(caught.value)
        assert posts(queue) == 0

    @pytest.mark.parametrize(
        ("payload", "words"),
        [
            ({"duration": "5"}, ["`prompt` is missing"]),
            (RISE | {"duration": "2"}, ["`duration` is '2', not one of 3, 4"]),
            (RISE | {"lenght": "5"}, ["`lenght` is not a parameter"]),
        ],
    )
    def test_the_catalog_is_asked_if_wanted(
        self, queue: Simulator, payload: dict[str, str], words: list[str]
    ) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            request(payload=payload, check_payload=True).execute(context())
        for word in words:
            assert word in str(caught.value)
        assert posts(queue) == 0

    def test_a_payload_that_fits_passes(self, queue: Simulator) -> None:
        request(check_payload=True, max_cost_usd="1.26").execute(context())
        assert posts(queue) == 1

    def test_without_a_check_the_catalog_is_not_asked(self, queue: Simulator) -> None:
        request().execute(context())
        assert "GET /models/{id}" not in queue.calls()

    def test_a_limit_needs_a_price(self, queue: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kling_airflow.simulator.queue.catalog.Model.describe", _without_price)
        with pytest.raises(
            exceptions.InvalidArgument,
            match="is not known: the catalog has none",
        ):
            request(max_cost_usd=5).execute(context())
        request().execute(context())
        assert posts(queue) == 1

    def test_an_unknown_model(self, queue: Simulator) -> None:
        for fields in ({}, {"check_payload": True}):
            with pytest.raises(exceptions.NotFound, match="no-such-model"):
                request("no-such-model", **fields).execute(context())
        assert queue.ledger() == []


def _without_price(model: Any, org_id: str) -> dict[str, Any]:
    return {"model": model.id, "org_id": org_id, "parameters": [], "price_info": None}


def test_its_template_fields_are_there() -> None:
    made = request()
    assert {"model", "payload", "max_cost_usd", "take", "gmi_conn_id"} <= set(made.template_fields)
    for name in made.template_fields:
        assert hasattr(made, name)
    assert json.loads(json.dumps(made.template_fields_renderers)) == {"payload": "json"}
