"""Arguments of an operator that spends money, as people and templates write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.arguments import amount, one_of, seconds, whole_number
from kling_airflow.errors import InvalidArgument

NO_NUMBER = ["soon", "1_5", True, [], {}, float("nan"), float("inf"), -1, "-0.5"]


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (2.5, 2.5), ("90", 90), (" 1e2 ", 100), (timedelta(minutes=2), 120)]
)
def test_seconds(value: Any, expected: float) -> None:
    assert seconds("timeout", value) == expected


@pytest.mark.parametrize("value", [*NO_NUMBER, None, "", "None", timedelta(seconds=-1)])
def test_a_wrong_length_of_time_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="`timeout` is"):
        seconds("timeout", value)


@pytest.mark.parametrize(("value", "expected"), [(1, 1), (0, 0), ("0.84", 0.84), (" 2 ", 2)])
def test_dollars(value: Any, expected: float) -> None:
    assert amount("max_cost_usd", value) == expected


@pytest.mark.parametrize("value", [*NO_NUMBER, "$1", None, "", " ", "None", "null", "1,000"])
def test_a_wrong_amount_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="`max_cost_usd` is"):
        amount("max_cost_usd", value)


@given(st.integers(min_value=1, max_value=10**9))
def test_whole_numbers(number: int) -> None:
    for value in (number, str(number), float(number)):
        assert whole_number("take", value, least=1) == number


@pytest.mark.parametrize("value", [*NO_NUMBER, None, 0, 1.5, "two"])
def test_a_wrong_whole_number_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="`take` is"):
        whole_number("take", value, least=1)


def test_one_of() -> None:
    one_of("resubmit_on", "any", ("any", "never"))
    for value in ("Any", "", None, ["any"]):
        with pytest.raises(InvalidArgument, match="`resubmit_on` is .*; it must be `any` or `never`"):
            one_of("resubmit_on", value, ("any", "never"))
