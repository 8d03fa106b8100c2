"""What a generation costs, by the table of models and by the simulator's catalog."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.models import IMAGE_TO_VIDEO, TURBO_IMAGE_TO_VIDEO
from kling_airflow.prices import price_usd
from kling_airflow.simulator.queue.models import MODELS
from tests.gmi.test_catalog import description, json_values

OTHER = "a-model-without-an-entry"


@pytest.mark.parametrize("duration", range(3, 16))
@pytest.mark.parametrize(("sound", "per_second"), [("off", 0.168), ("on", 0.252)])
def test_the_table_knows_kling_v3(duration: int, sound: str, per_second: float) -> None:
    payload = {"duration": str(duration), "sound": sound}
    assert price_usd(IMAGE_TO_VIDEO, payload) == pytest.approx(duration * per_second)


@pytest.mark.parametrize(("resolution", "per_second"), [("720p", 0.112), ("1080p", 0.14)])
def test_the_table_knows_kling_3_turbo(resolution: str, per_second: float) -> None:
    payload = {"duration": "10", "resolution": resolution}
    assert price_usd(TURBO_IMAGE_TO_VIDEO, payload) == pytest.approx(10 * per_second)


@pytest.mark.parametrize("duration", range(3, 16))
@pytest.mark.parametrize("sound", ["off", "on"])
def test_table_and_catalog_agree_on_kling_v3(duration: int, sound: str) -> None:
    payload = {"duration": str(duration), "sound": sound}
    assert price_usd(OTHER, payload, description=description()) == price_usd(IMAGE_TO_VIDEO, payload)


BY_VIDEO = "kling-3-motion-control"
"""Its clip lasts as long as its input video: no catalog says how long that is."""


@pytest.mark.parametrize("model", sorted(set(MODELS) - {BY_VIDEO}))
def test_the_catalog_says_what_the_queue_charges(model: str) -> None:
    for payload in ({}, {"duration": "10"}, {"duration": 10}):
        charged = MODELS[model].cost(payload) / 1e6
        assert price_usd(OTHER, payload, description=description(model)) == pytest.approx(charged)


@pytest.mark.parametrize(
    "payload", [{}, {"duration": "5"}, {"sound": "on"}, {"duration": "x", "sound": "on"}]
)
def test_half_a_payload_has_no_price(payload: dict[str, Any]) -> None:
    assert price_usd(IMAGE_TO_VIDEO, payload) is None


@pytest.mark.parametrize(
    "info",
    [None, {}, "dear", {"price": None}, {"price": "168000", "unit": "second"}, {"price": True}, [1]],
)
def test_a_catalog_without_a_price_says_nothing(info: Any) -> None:
    assert price_usd(OTHER, {}, description={"price_info": info}) is None
    assert price_usd(OTHER, {}, description={}) is None
    assert price_usd(OTHER, {}) is None


def test_a_price_by_the_second_needs_the_seconds() -> None:
    info = {"price_info": {"price": 1000, "unit": "second"}}
    assert price_usd(OTHER, {}, description=info) is None
    assert price_usd(OTHER, {"duration": "long"}, description=info) is None
    assert price_usd(OTHER, {"duration": "inf"}, description=info) is None
    assert price_usd(OTHER, {"duration": "3"}, description=info) == 0.003


@given(json_values, st.dictionaries(st.sampled_from(["duration", "sound", "x"]), json_values))
def test_no_catalog_is_too_odd(odd: Any, payload: dict[str, Any]) -> None:
    for described in (
        {"price_info": odd},
        {"price_info": {"price": 1, "unit": "second"}, "parameters": odd},
    ):
        price = price_usd(OTHER, payload, description=described)
        assert price is None or isinstance(price, float)


@pytest.mark.parametrize(
    ("info", "price"),
    [
        ({"price": 900_000, "unit": "second"}, 4.5),
        ({"price": 1, "unit": "second"}, 0.84),
        ({"price": None}, 0.84),
        ({}, 0.84),
        (None, 0.84),
        ({"price": "900000", "unit": "second"}, None),
        ({"price": -1, "unit": "second"}, None),
        ({"price": float("inf"), "unit": "second"}, None),
        ({"price": 10**400, "unit": "second"}, None),
    ],
)
def test_the_higher_price_counts_and_one_that_can_not_be_read_is_unknown(
    info: Any, price: float | None
) -> None:
    payload = {"duration": "5", "sound": "off"}
    assert price_usd(IMAGE_TO_VIDEO, payload, description={"price_info": info}) == price


def test_the_catalog_lists_the_cheapest_variant() -> None:
    """So a dearer catalog makes the dearer variants dearer, too."""
    described = {"price_info": {"price": 224_000, "unit": "second"}}
    payload = {"duration": "5", "resolution": "1080p"}
    assert price_usd(TURBO_IMAGE_TO_VIDEO, payload, description=described) == pytest.approx(1.4)
