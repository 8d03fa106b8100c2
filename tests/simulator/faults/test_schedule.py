"""Which calls a fault strikes, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.simulator import ManualClock
from kling_airflow.simulator.faults.registry import Stage
from kling_airflow.simulator.faults.schedule import Schedule, Target
from kling_airflow.simulator.faults.table import FAULT_TYPES
from kling_airflow.simulator.queue.calls import GET, LIST, MEDIA, SUBMIT

ALL = frozenset(Stage)


def schedule(seed: int = 0) -> Schedule:
    return Schedule(ManualClock(), seed)


def strikes(faults: Schedule, *targets: Target) -> list[int]:
    """The indexes of the calls that are struck."""
    return [place for place, target in enumerate(targets) if faults.draw(target, ALL)]


def calls(number: int, **about: Any) -> list[Target]:
    return [Target(about.pop("call", SUBMIT), **about)] * number


def test_strikes_once_by_default() -> None:
    faults = schedule()
    faults.add("capacity", {})
    assert strikes(faults, *calls(3)) == [0]
    assert faults.in_force() == []


@given(skip=st.integers(0, 5), times=st.integers(1, 5))
def test_skip_and_times(skip: int, times: int) -> None:
    faults = schedule()
    faults.add("capacity", {"skip": skip, "times": times})
    assert strikes(faults, *calls(12)) == list(range(skip, skip + times))


@given(nth=st.integers(1, 12))
def test_nth(nth: int) -> None:
    faults = schedule()
    faults.add("capacity", {"nth": nth})
    assert strikes(faults, *calls(12)) == [nth - 1]


def test_for_some_seconds() -> None:
    clock = ManualClock()
    faults = Schedule(clock, 0)
    faults.add("capacity", {"for_seconds": 10})
    assert strikes(faults, *calls(3)) == [0, 1, 2]
    clock.advance(9.9)
    assert strikes(faults, *calls(1)) == [0]
    clock.advance(0.1)
    assert strikes(faults, *calls(3)) == []
    assert faults.in_force() == []


def test_probability_and_seed() -> None:
    def run(seed: int) -> list[int]:
        faults = schedule(seed)
        faults.add("capacity", {"probability": 0.3})
        return strikes(faults, *calls(200))

    assert run(1) == run(1) != run(2)
    assert 35 < len(run(1)) < 85
    assert run(1)[-1] > 150, "it stays in force"


@pytest.mark.parametrize(("probability", "struck"), [(0, []), (1, [0])])
def test_probability_0_and_1(probability: float, struck: list[int]) -> None:
    faults = schedule()
    faults.add("capacity", {"probability": probability})
    assert strikes(faults, *calls(1)) == struck


@pytest.mark.parametrize(
    ("selector", "wanted"),
    [
        ({"request_id": "r1"}, Target(GET, request_id="r1")),
        ({"key": "k"}, Target(GET, key="k")),
        ({"organization": "o"}, Target(GET, organization="o")),
        ({"model": "m"}, Target(GET, model="m")),
        ({"contains": "marker"}, Target(GET, text=lambda: '{"image": "a marker"}')),
    ],
)
def test_selectors(selector: dict[str, str], wanted: Target) -> None:
    faults = schedule()
    faults.add("bad-gateway", {"call": GET, "times": 2, **selector})
    other = Target(GET, request_id="r2", key="k2", organization="o2", model="m2", text=lambda: "other")
    assert strikes(faults, other, Target(GET), wanted, Target(LIST), wanted, wanted) == [2, 4]


def test_usual_call() -> None:
    faults = schedule()
    for name, usual in (
        ("bad-gateway", SUBMIT),
        ("media-gone", MEDIA),
        ("list-lag", LIST),
        ("capacity", SUBMIT),
    ):
        faults.add(name, {})
        assert [f.type.name for f in faults.draw(Target(usual), ALL)] == [name]
        assert name not in [f.type.name for f in faults.draw(Target(GET), ALL)]
        faults.faults.clear()


def test_several_at_once() -> None:
    faults = schedule()
    faults.add("late-answer", {"seconds": 1})
    faults.add("reset-after", {})
    assert [fault.type.name for fault in faults.draw(Target(SUBMIT), ALL)] == ["late-answer", "reset-after"]
    assert faults.struck == {"late-answer": 1, "reset-after": 1}


def test_stages_are_drawn_apart() -> None:
    faults = schedule()
    faults.add("reset-unread", {})
    assert faults.draw(Target(SUBMIT), ALL - {Stage.UNREAD}) == []
    assert len(faults.draw(Target(SUBMIT), frozenset({Stage.UNREAD}))) == 1


def test_fault_of_a_given_request_lasts() -> None:
    faults = schedule()
    fault = faults.add("bad-gateway", {"call": GET, "request_id": "r"})
    assert strikes(faults, *[Target(GET, request_id="r")] * 3) == [0, 1, 2]
    assert faults.remove(fault.id)
    assert not faults.remove(fault.id)
    assert strikes(faults, Target(GET, request_id="r")) == []


def test_lasting_faults_last_unless_times_is_given() -> None:
    faults = schedule()
    faults.add("list-empty", {})
    assert strikes(faults, *calls(3, call=LIST)) == [0, 1, 2]
    faults.faults.clear()
    faults.add("list-empty", {"times": 1})
    assert strikes(faults, *calls(3, call=LIST)) == [0]


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("no-such", {}, "no fault is called 'no-such'; there are: refused"),
        ("capacity", {"call": "GET /requests"}, "does not strike 'GET /requests', but: POST /requests"),
        ("capacity", {"call": "POST /nowhere"}, "does not strike 'POST /nowhere'"),
        ("capacity", {"times": 0}, "times: Input should be greater than or equal to 1"),
        ("capacity", {"probability": 1.5}, "probability: Input should be less than or equal to 1"),
        ("capacity", {"for_seconds": 0}, "for_seconds: "),
        ("capacity", {"secs": 1}, "has no option 'secs'; it takes: call, request_id"),
        ("late-answer", {"seconds": "soon"}, "seconds is 'soon', want a number"),
        ("late-answer", {"seconds": -1}, "seconds is -1, want a number"),
        ("late-answer", {"seconds": True}, "seconds is True, want a number"),
        ("late-answer", {"seconds": None}, "seconds is None, want a number"),
        ("failed", {"reason": 5}, "reason is 5, want a text"),
        ("http-error", {"status": 99}, "status is 99"),
        ("refused", {"times": 2}, "strikes every call: times can't be chosen"),
    ],
)
def test_wrong_orders_are_refused(name: str, values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        schedule().add(name, values)


def test_every_fault_type_can_be_ordered_with_its_defaults() -> None:
    faults = schedule()
    for name, fault_type in FAULT_TYPES.items():
        fault = faults.add(name, fault_type.defaults)
        assert fault.describe()["name"] == name
        assert fault_type.about.endswith(".")
