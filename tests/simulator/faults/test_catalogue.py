"""Faults of the catalogue, and a bill that differs from it."""

from __future__ import annotations

from typing import Any

import pytest

from kling_airflow.simulator import Simulator
from tests.simulator.client import GOOD, MODEL, Queue

SPEECH = "inworld-tts-1.5-max"


def described(queue: Queue, model: str = MODEL) -> dict[str, Any]:
    answer = queue.call("GET", f"/models/{model}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_price(sim: Simulator, queue: Queue) -> None:
    before = described(queue)
    fault_id = sim.faults.add("catalogue-price", price=900_000)
    shown = described(queue)
    assert shown["price_info"] == before["price_info"] | {"price": 900_000}
    assert shown["pricing_details"] == "$0.9 per second"
    assert shown["parameters"] == before["parameters"]
    assert described(queue, SPEECH)["pricing_details"] == "$0.9 per request"
    sim.faults.remove(fault_id)
    assert described(queue) == before


def test_price_of_one_model(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("catalogue-price", model=SPEECH)
    assert described(queue, SPEECH)["price_info"]["price"] == 900_000
    assert described(queue)["price_info"]["price"] == 168_000


def test_what_is_billed_does_not_follow_the_catalogue(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("catalogue-price", price=1)
    queue.submit()
    assert sim.ledger()[0].amount_usd == 0.84


def test_billed_price(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("billed-price", price=900_000)
    queue.submit(duration="3")
    queue.submit(duration="3")
    assert [entry.amount_usd for entry in sim.ledger()] == [2.7, 0.504]
    assert described(queue)["price_info"]["price"] == 168_000


def test_no_price(sim: Simulator, queue: Queue) -> None:
    sim.faults.add("catalogue-no-price")
    assert described(queue)["price_info"] is None
    assert queue.post(GOOD).status_code == 200


@pytest.mark.parametrize("status", [500, 503])
def test_error(sim: Simulator, queue: Queue, status: int) -> None:
    sim.faults.add("catalogue-error", status=status)
    for path in (f"/models/{MODEL}", "/models", f"/models/{MODEL}"):
        assert queue.call("GET", path).status_code == status
    assert queue.post(GOOD).status_code == 200, "submissions go on"


def test_only_a_5xx_can_be_ordered(sim: Simulator) -> None:
    with pytest.raises(ValueError, match="status is 404, want a whole number from 500 to 599"):
        sim.faults.add("catalogue-error", status=404)
