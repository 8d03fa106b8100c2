"""Payloads against the simulator's catalog, and against malformed catalogs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.errors import InvalidArgument
from kling_airflow.gmi import catalog
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.simulator.queue.models import MODELS

HUGE = st.sampled_from([10**400, -(10**400)])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | HUGE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def description(model: str = IMAGE_TO_VIDEO) -> dict[str, Any]:
    return MODELS[model].describe("org")


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
    def test_each_key_that_does_not_fit_is_named(self, payload: dict[str, Any], words: list[str]) -> None:
        with pytest.raises(InvalidArgument, match=f"does not fit {IMAGE_TO_VIDEO}") as caught:
            catalog.check(IMAGE_TO_VIDEO, description(), payload)
        for word in words:
            assert word in str(caught.value)

    @pytest.mark.parametrize("duration", ["5", 5, None])
    def test_a_payload_that_fits_passes(self, duration: Any) -> None:
        payload = {"prompt": "p", "image": "u", "duration": duration}
        catalog.check(IMAGE_TO_VIDEO, description(), payload)

    def test_a_required_key_must_not_be_null(self) -> None:
        with pytest.raises(InvalidArgument, match="`prompt` is missing"):
            catalog.check(IMAGE_TO_VIDEO, description(), {"prompt": None, "image": "u"})

    def test_limits_of_numbers(self) -> None:
        described = {"parameters": [{"name": "scale", "min_value": 0, "max_value": 1.5}]}
        catalog.check("m", described, {"scale": 1})
        with pytest.raises(InvalidArgument, match="`scale` is -1, and the minimum is 0"):
            catalog.check("m", described, {"scale": -1})
        with pytest.raises(InvalidArgument, match=r"`scale` is 2, and the maximum is 1\.5"):
            catalog.check("m", described, {"scale": 2})

    def test_numbers_with_thousands_of_digits_are_refused_like_others(self) -> None:
        huge = 10**5000
        for parameter in ({"options": [1]}, {"max_value": 1.5}, {"min_value": huge}):
            described = {"parameters": [{"name": "scale", **parameter}]}
            with pytest.raises(InvalidArgument, match="`scale` is"):
                catalog.check("m", described, {"scale": huge - 1})

    def test_options_may_be_objects(self) -> None:
        described = {"parameters": [{"name": "size", "options": [{"value": "s"}, {"name": "m"}]}]}
        catalog.check("m", described, {"size": "m"})
        with pytest.raises(InvalidArgument, match="not one of s, m"):
            catalog.check("m", described, {"size": "l"})

    def test_a_catalog_without_parameters_refuses_nothing(self) -> None:
        for described in ({}, {"parameters": None}, {"parameters": []}):
            catalog.check("m", described, {"anything": 1})

    @given(json_values, st.dictionaries(st.text(max_size=5), json_values, max_size=4))
    def test_a_malformed_catalog_raises_no_other_error(self, odd: Any, payload: dict[str, Any]) -> None:
        for described in (
            {"parameters": odd},
            {"parameters": [{"name": "x", "options": odd, "min_value": odd}]},
        ):
            with suppress(InvalidArgument):
                catalog.check("m", described, payload)
