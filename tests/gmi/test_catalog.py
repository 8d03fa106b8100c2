"""What the catalog says of a payload, by the simulator's real catalog and by odd ones."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gmi import catalog, kling
from kling_airflow.gmi.errors import InvalidPayload
from kling_airflow.simulator.queue.catalog import MODELS

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def description(model: str = kling.IMAGE_TO_VIDEO) -> dict[str, Any]:
    return MODELS[model].describe("org")


class TestPrice:
    @pytest.mark.parametrize("duration", range(kling.DURATION_MIN, kling.DURATION_MAX + 1))
    @pytest.mark.parametrize("sound", [False, True])
    def test_it_is_the_price_list_s_for_kling_v3(self, duration: int, sound: bool) -> None:
        payload = {"duration": str(duration), "sound": "on" if sound else "off"}
        assert catalog.price_usd(description(), payload) == kling.price_usd(
            kling.IMAGE_TO_VIDEO, duration, sound
        )

    @pytest.mark.parametrize("model", sorted(MODELS))
    def test_it_is_what_the_queue_charges(self, model: str) -> None:
        for payload in ({}, {"duration": "10"}, {"duration": 10}):
            charged = MODELS[model].cost(payload) / 1e6
            assert catalog.price_usd(description(model), payload) == pytest.approx(charged)

    @pytest.mark.parametrize(
        "info",
        [None, {}, "dear", {"price": None}, {"price": "168000", "unit": "second"}, {"price": True}, [1]],
    )
    def test_it_is_unknown_where_the_catalog_has_none(self, info: Any) -> None:
        assert catalog.price_usd({"price_info": info}, {}) is None
        assert catalog.price_usd({}, {}) is None

    def test_it_is_unknown_where_the_length_is(self) -> None:
        info = {"price_info": {"price": 1000, "unit": "second"}}
        assert catalog.price_usd(info, {}) is None
        assert catalog.price_usd(info, {"duration": "long"}) is None
        assert catalog.price_usd(info, {"duration": "inf"}) is None
        assert catalog.price_usd(info, {"duration": "3"}) == 0.003

    @given(json_values, st.dictionaries(st.sampled_from(["duration", "sound", "x"]), json_values))
    def test_no_catalog_is_too_odd(self, odd: Any, payload: dict[str, Any]) -> None:
        for described in (
            {"price_info": odd},
            {"price_info": {"price": 1, "unit": "second"}, "parameters": odd},
        ):
            price = catalog.price_usd(described, payload)
            assert price is None or isinstance(price, float)


class TestCheck:
    @pytest.mark.parametrize(
        ("payload", "words"),
        [
            ({"image": "u"}, ["`prompt` is missing"]),
            ({}, ["`prompt` is missing", "`image` is missing"]),
            ({"prompt": "p", "image": "u", "lenght": 5}, ["`lenght` is not a parameter"]),
            ({"prompt": "p", "image": "u", "duration": "16"}, ["`duration` is '16', not one of 3, 4, 5"]),
            ({"prompt": "p", "image": "u", "sound": True}, ["`sound` is True, not one of on, off"]),
        ],
    )
    def test_what_does_not_fit_is_named(self, payload: dict[str, Any], words: list[str]) -> None:
        with pytest.raises(InvalidPayload, match=f"does not fit {kling.IMAGE_TO_VIDEO}") as caught:
            catalog.check(kling.IMAGE_TO_VIDEO, description(), payload)
        for word in words:
            assert word in str(caught.value)

    @pytest.mark.parametrize("duration", ["5", 5, None])
    def test_what_fits_passes(self, duration: Any) -> None:
        payload = {"prompt": "p", "image": "u", "duration": duration}
        catalog.check(kling.IMAGE_TO_VIDEO, description(), payload)

    def test_what_is_required_may_not_be_null(self) -> None:
        with pytest.raises(InvalidPayload, match="`prompt` is missing"):
            catalog.check(kling.IMAGE_TO_VIDEO, description(), {"prompt": None, "image": "u"})

    def test_limits_of_numbers(self) -> None:
        described = {"parameters": [{"name": "scale", "min_value": 0, "max_value": 1.5}]}
        catalog.check("m", described, {"scale": 1})
        with pytest.raises(InvalidPayload, match="`scale` is -1, and the least is 0"):
            catalog.check("m", described, {"scale": -1})
        with pytest.raises(InvalidPayload, match=r"`scale` is 2, and the most is 1\.5"):
            catalog.check("m", described, {"scale": 2})

    def test_options_may_be_objects(self) -> None:
        described = {"parameters": [{"name": "size", "options": [{"value": "s"}, {"name": "m"}]}]}
        catalog.check("m", described, {"size": "m"})
        with pytest.raises(InvalidPayload, match="not one of s, m"):
            catalog.check("m", described, {"size": "l"})

    def test_a_catalog_without_parameters_refuses_nothing(self) -> None:
        for described in ({}, {"parameters": None}, {"parameters": []}):
            catalog.check("m", described, {"anything": 1})

    @given(json_values, st.dictionaries(st.text(max_size=5), json_values, max_size=4))
    def test_no_catalog_is_too_odd(self, odd: Any, payload: dict[str, Any]) -> None:
        for described in (
            {"parameters": odd},
            {"parameters": [{"name": "x", "options": odd, "min_value": odd}]},
        ):
            with suppress(InvalidPayload):
                catalog.check("m", described, payload)
