"""What a number of clips needs: from measured figures, never less for more, and never for absurd input."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow import measured
from kling_airflow.capacity import LIMITS, Demand, plan
from kling_airflow.errors import InvalidArgument

clips = st.integers(0, 10_000_000)
DEMANDS = st.builds(
    Demand,
    clips_per_day=clips,
    seconds=st.floats(1, 86_400),
    way=st.sampled_from(sorted(measured.WAYS)),
    clip_seconds=st.integers(3, 15),
    sound=st.booleans(),
    poll_interval=st.floats(1, 3600),
    peak=st.floats(1, 100),
    worker_cores=st.floats(0.1, 256),
    triggerer_capacity=st.integers(1, 100_000),
    max_calls_per_second=st.floats(0.01, 10_000),
)


def test_a_hundred_thousand_clips_a_day() -> None:
    found = plan(Demand(100_000, 170.0))
    assert found.waiting == pytest.approx(590, abs=1)
    assert (found.workers, found.triggerers) == (11, 2)
    assert found.calls_per_second == pytest.approx((2 * 2 + 590.3 * 0.022) / 10, abs=0.01)
    assert found.calls_per_second_by_id == 50.0
    assert found.look_every == pytest.approx(11.8, abs=0.1)
    assert found.database_rows_per_day == pytest.approx(4_460_000)
    assert found.s3_operations_per_day == 100_000 * 36 + 2 * 5760
    assert found.clips_usd_per_day == pytest.approx(84_000)


def test_a_storyboard_needs_less() -> None:
    mapped, board = (plan(Demand(100_000, way=way)) for way in ("mapped", "storyboard"))
    assert board.worker_cpu < mapped.worker_cpu / 20
    assert board.database_rows_per_day < mapped.database_rows_per_day / 18
    assert board.workers == 1


def test_no_clips_need_nothing() -> None:
    found = plan(Demand(0)).as_dict()
    assert {name: value for name, value in found.items() if value} == {"look_every": 10.0}


@given(DEMANDS, clips)
def test_more_clips_never_need_less(demand: Demand, more: int) -> None:
    less, more = sorted((demand.clips_per_day, more))
    one, two = (plan(replace(demand, clips_per_day=count)).as_dict() for count in (less, more))
    # More waits may need one triggerer more, each of which then holds fewer of them.
    for name in one.keys() - {"triggerer_memory"}:
        assert (one[name] or 0) <= (two[name] or 0) * (1 + 1e-9), name


@given(DEMANDS)
def test_every_figure_is_a_number_that_is_not_negative(demand: Demand) -> None:
    for name, value in plan(demand).as_dict().items():
        assert value is not None, name
        assert math.isfinite(value), name
        assert value >= 0, name


@given(DEMANDS)
def test_the_calls_stay_below_the_limit_and_the_list_never_costs_more(demand: Demand) -> None:
    found = plan(demand)
    assert found.calls_per_second <= found.calls_per_second_by_id <= demand.max_calls_per_second


@pytest.mark.parametrize("field", sorted(LIMITS))
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 1e300, "many", None, True])
def test_an_absurd_value_is_named_with_its_limits(field: str, value: object) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Demand(**{"clips_per_day": 1, field: value})  # type: ignore[arg-type]
    lowest, highest = LIMITS[field]
    for part in (f"`{field}`", repr(value), f"{lowest:,}", f"{highest:,}"):
        assert part in str(caught.value)


@pytest.mark.parametrize(("field", "value"), [("way", "slow"), ("model", "sora"), ("clips_per_day", 1.5)])
def test_an_unknown_word_is_named(field: str, value: object) -> None:
    with pytest.raises(InvalidArgument, match=f"`{field}` is {value!r}"):
        Demand(**{"clips_per_day": 1, field: value})  # type: ignore[arg-type]


def test_a_model_without_a_known_price_has_no_cost() -> None:
    from kling_airflow.models import MODELS

    found = {model: plan(Demand(10, model=model)).clips_usd_per_day for model in MODELS}
    assert found["kling-v3-image-to-video"] == pytest.approx(8.4)


def test_each_figure_has_its_source_and_its_day() -> None:
    ways = [
        figure
        for way in measured.WAYS.values()
        for figure in (way.worker_cpu, way.scheduler_cpu, way.database_rows)
    ]
    figures = [value for value in vars(measured).values() if isinstance(value, measured.Measured)] + ways
    assert len(figures) >= 15
    for figure in figures:
        assert figure.value > 0
        assert figure.unit
        assert figure.source
        assert figure.date.startswith("2026-11-")
