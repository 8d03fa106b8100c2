"""The price list: one table that the docs, ``max_cost_usd``, the clip's cost and the simulator agree on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument
from kling_airflow.models import CREATE_ELEMENT, MODELS, MOTION_CONTROL, OMNI, TEXT_TO_VIDEO
from kling_airflow.models.price import GIVEN
from kling_airflow.prices import price_usd
from kling_airflow.simulator.queue.models import MODELS as SIMULATED
from kling_airflow.task.price_limit import refuse_above_limit
from tests.gmi.test_catalog import description, json_values

VIDEO = {"video_url": "https://v.example/a.mp4", "refer_type": "feature"}


def combinations() -> Iterator[tuple[str, dict[str, Any], float]]:
    """Every documented combination: the model, a payload, and the price of a unit."""
    for model, spec in MODELS.items():
        if spec.price is not None:
            for values, usd in spec.price.usd.items():
                named = zip(spec.price.by, values, strict=True)
                lists = {"video_list": [VIDEO]}
                payload = {
                    name: lists[name] if value == GIVEN else value
                    for name, value in named
                    if value != "absent"
                }
                yield model, payload, usd


DOCUMENTED = list(combinations())


@pytest.mark.parametrize(("model", "payload", "unit_usd"), DOCUMENTED)
def test_each_documented_combination_has_its_price(
    model: str, payload: dict[str, Any], unit_usd: float
) -> None:
    spec = MODELS[model]
    assert spec.price is not None
    seconds = 1 if spec.price.unit == "request" else 30 if model == MOTION_CONTROL else 10
    payload = payload | {"duration": "10", "character_orientation": "video"}
    assert price_usd(model, payload) == pytest.approx(unit_usd * seconds)
    assert price_usd(model, payload, description=description(model)) == pytest.approx(unit_usd * seconds)
    assert SIMULATED[model].cost(payload) / 1e6 == pytest.approx(unit_usd * seconds)


@pytest.mark.parametrize(
    ("model", "payload", "usd"),
    [
        (OMNI, {"mode": "pro", "duration": "5", "sound": "off"}, 0.56),
        (OMNI, {"duration": "5"}, 0.56),
        (OMNI, {}, 0.56),
        (OMNI, {"mode": "pro", "duration": "5", "video_list": [VIDEO]}, 0.84),
        (OMNI, {"mode": "std", "duration": "5", "video_list": []}, 0.42),
        (OMNI, {"duration": "5", "video_list": [VIDEO | {"refer_type": "base"}]}, 1.68),
        ("kling-3.0-turbo-i2v", {"duration": "5", "resolution": "1080p"}, 0.70),
        ("kling-3.0-turbo-t2v", {"duration": "5", "resolution": "1080p"}, 0.70),
        (MOTION_CONTROL, {"mode": "std", "character_orientation": "image"}, 1.26),
        (MOTION_CONTROL, {"mode": "pro", "character_orientation": "video"}, 5.04),
        (CREATE_ELEMENT, {}, 0.0),
    ],
)
def test_what_a_payload_leaves_out_is_the_documented_default(
    model: str, payload: dict[str, Any], usd: float
) -> None:
    for catalog in (None, description(model)):
        assert price_usd(model, payload, description=catalog) == pytest.approx(usd)


@pytest.mark.parametrize(
    ("model", "payload"),
    [
        (OMNI, {"mode": "4k", "duration": "5"}),
        (OMNI, {"sound": "on", "duration": "5", "video_list": [VIDEO]}),
        (OMNI, {"mode": "std", "sound": "loud", "duration": "5"}),
        ("kling-3.0-turbo-i2v", {"resolution": "4k", "duration": "5"}),
        (MOTION_CONTROL, {"mode": "max", "character_orientation": "video"}),
        ("kling-v3-image-to-video", {"sound": "stereo", "duration": "5"}),
    ],
)
def test_what_no_source_documents_has_no_price_and_no_limit_lets_it_through(
    model: str, payload: dict[str, Any]
) -> None:
    for catalog in (None, description(model)):
        price = price_usd(model, payload, description=catalog)
        assert price is None
        with pytest.raises(InvalidArgument, match="is not known"):
            refuse_above_limit(1000, price, "this clip")


@pytest.mark.parametrize(
    ("payload", "priced"),
    [
        ({"duration": "5"}, True),
        ({"duration": "5", "sound": "on"}, True),
        ({"duration": "5", "mode": "pro"}, False),
        ({"duration": "5", "resolution": "4k"}, False),
        ({"duration": "5", "quality": "high"}, False),
        ({"duration": "5", "video_list": [VIDEO]}, False),
        ({"duration": "5", "aspect_ratio": "1:1"}, True),
    ],
)
def test_a_catalog_shows_the_price_of_the_defaults_only(payload: dict[str, Any], priced: bool) -> None:
    price = price_usd(TEXT_TO_VIDEO, payload, description=description(TEXT_TO_VIDEO))
    assert (price is not None) is priced


def test_a_value_that_the_catalog_calls_the_default_has_the_shown_price() -> None:
    described = {
        "price_info": {"price": 100_000, "unit": "second"},
        "parameters": [{"name": "resolution", "default_value": "720p"}],
    }
    for resolution, price in (("720p", 0.5), ("1080p", None), (None, 0.5)):
        payload = {"duration": "5", "resolution": resolution}
        assert price_usd("another-model", payload, description=described) == price


@given(st.floats(0, 1e7), st.sampled_from(DOCUMENTED))
def test_no_catalog_lowers_the_price(shown: float, documented: tuple[str, dict[str, Any], float]) -> None:
    model, payload, _ = documented
    payload = payload | {"duration": "5", "character_orientation": "video"}
    catalog = {"price_info": {"price": shown, "unit": "second"}}
    price, alone = price_usd(model, payload, description=catalog), price_usd(model, payload)
    assert price is not None
    assert alone is not None
    assert price >= alone


def test_a_dearer_catalog_makes_each_combination_dearer() -> None:
    twice = {"price_info": {"price": 224_000, "unit": "second"}}
    assert price_usd(OMNI, {"mode": "std", "duration": "5"}, description=twice) == pytest.approx(0.84)
    sound = {"sound": "on", "duration": "5"}
    assert price_usd(OMNI, sound, description=twice) == pytest.approx(1.4)


@given(
    st.sampled_from(sorted(MODELS)),
    st.dictionaries(
        st.sampled_from(["mode", "sound", "video_list", "duration", "resolution", "character_orientation"]),
        json_values,
    ),
)
def test_no_payload_is_too_odd(model: str, payload: dict[str, Any]) -> None:
    for catalog in (None, description(model)):
        price = price_usd(model, payload, description=catalog)
        assert price is None or price >= 0
