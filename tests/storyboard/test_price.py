"""What a storyboard costs, by the table of models and by the queue's catalog."""

from __future__ import annotations

from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from kling_airflow.storyboard import Storyboard
from tests.storyboard.boards import SHOT

TITLE = {"name": "title", "prompt": "Stars.", "duration": 5}


def test_shots_and_takes_add_up() -> None:
    board = Storyboard.load([{**SHOT, "takes": 3, "duration": 5}, {**SHOT, "name": "b", "sound": True}])
    price = board.price()
    assert [each.total_usd for each in price.shots] == [2.52, 1.26]
    assert price.total_usd == 3.78
    assert price.unknown == ()


def test_what_the_table_does_not_know_is_not_free() -> None:
    price = Storyboard.load([SHOT, TITLE]).price()
    assert price.total_usd is None
    assert price.known_usd == 0.84
    assert price.unknown == ("title",)


def test_the_catalog_is_asked_once_for_each_model() -> None:
    with Simulator(render="fast") as simulator, GMIClient(simulator.api_key, simulator.base_url) as client:
        board = Storyboard.load([SHOT, TITLE, {**TITLE, "name": "end"}])
        price = board.price(client.model)
        calls = simulator.calls()
    assert price.total_usd is not None
    assert price.total_usd > 0.84
    assert sum(count for call, count in calls.items() if call.startswith("GET /models/")) == 2
