"""Which requests are due when."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.polling.schedule import Schedule, group_by_model

NEVER = math.inf


def add(schedule: Schedule, name: str, now: float, interval: float = 10.0, deadline: float = NEVER) -> float:
    return schedule.add(name, "m", interval, now, deadline=deadline).due_at


def play(schedule: Schedule, now: float) -> list[str]:
    """Run a round that looks at every due request."""
    due = schedule.due(now)
    schedule.start_round(now)
    for one in due:
        one.record_look(now, one.interval, deadline=NEVER)
    schedule.end_round()
    return [one.request_id for one in due]


def test_the_first_request_is_looked_at_soon_together_with_its_burst() -> None:
    schedule = Schedule()
    first = add(schedule, "a", 0.0)
    assert 0 < first <= 0.5
    add(schedule, "b", 0.2)
    assert play(schedule, first) == ["a", "b"]


def test_later_requests_join_the_next_round() -> None:
    schedule = Schedule()
    play(schedule, add(schedule, "a", 0.0))
    next_round = schedule.next_round_at()
    assert add(schedule, "b", 3.0) == next_round
    assert play(schedule, next_round) == ["a", "b"]


def test_a_request_added_during_a_round_joins_the_next_round() -> None:
    schedule = Schedule()
    began = add(schedule, "a", 0.0)
    due = schedule.due(began)
    schedule.start_round(began)
    assert add(schedule, "b", began + 0.2) == began + 10
    due[0].record_look(began, 10.0, deadline=NEVER)
    schedule.end_round()
    assert schedule.next_round_at() == began + 10


@given(
    arrivals=st.lists(st.tuples(st.floats(0, 60), st.floats(1, 30)), min_size=1, max_size=40),
)
def test_no_request_waits_longer_than_an_interval_for_a_look(arrivals: list[tuple[float, float]]) -> None:
    schedule, now = Schedule(), 0.0
    looked: dict[str, float] = {}
    intervals: dict[str, float] = {}
    coming = sorted((at, interval, f"r{n}") for n, (at, interval) in enumerate(arrivals))
    while now < 120:
        at = min(coming[0][0] if coming else NEVER, schedule.next_round_at())
        now = max(now, at)
        while coming and coming[0][0] <= now:
            came, interval, name = coming.pop(0)
            add(schedule, name, came, interval)
            looked[name], intervals[name] = came, interval
        if schedule.next_round_at() <= now:
            for name in play(schedule, now):
                assert now - looked[name] <= intervals[name] + 1e-6
                looked[name] = now
    assert all(now - at <= intervals[name] + 1e-6 for name, at in looked.items())


def test_requests_that_are_nearly_due_share_the_round() -> None:
    schedule = Schedule()
    one, two = (
        schedule.add("a", "m", 10.0, 0.0, deadline=NEVER),
        schedule.add("b", "m", 10.0, 0.0, deadline=NEVER),
    )
    one.due_at, two.due_at = 50.0, 50.9
    assert [found.request_id for found in schedule.due(50.0)] == ["a", "b"]
    two.record_look(40.0, 11.1, deadline=NEVER)
    assert [found.request_id for found in schedule.due(50.0)] == ["a"]


def test_a_request_is_looked_at_at_its_deadline() -> None:
    schedule = Schedule()
    assert add(schedule, "a", 0.0, deadline=0.05) == 0.05
    one = schedule.tracked["a"]
    one.record_look(0.0, 10.0, deadline=4.0)
    assert one.due_at == 4.0
    one.record_look(4.0, 10.0, deadline=4.0)
    assert one.due_at == 14.0


def test_two_waiters_of_one_request_share_its_looks_at_the_shorter_interval() -> None:
    schedule = Schedule()
    add(schedule, "a", 0.0, interval=60.0)
    one = schedule.tracked["a"]
    one.record_look(0.0, 60.0, deadline=NEVER)
    assert add(schedule, "a", 1.0, interval=5.0) == 6.0
    assert (len(schedule), one.interval) == (1, 5.0)


def test_a_removed_request_is_never_due() -> None:
    schedule = Schedule()
    add(schedule, "a", 0.0)
    schedule.remove("a")
    schedule.remove("a")
    schedule.end_round()
    assert schedule.next_round_at() == NEVER
    assert schedule.due(1e9) == []


def test_a_list_call_names_one_model() -> None:
    schedule = Schedule()
    schedule.add("a", "x", 1.0, 0.0, deadline=NEVER)
    schedule.add("b", "y", 1.0, 0.0, deadline=NEVER)
    schedule.add("c", "x", 1.0, 0.0, deadline=NEVER)
    groups = group_by_model(schedule.tracked.values())
    assert {model: [one.request_id for one in group] for model, group in groups.items()} == {
        "x": ["a", "c"],
        "y": ["b"],
    }


def test_the_last_look_before_a_deadline_has_full_priority() -> None:
    schedule = Schedule()
    one = schedule.add("a", "m", 10.0, 0.0, deadline=25.0)
    one.record_look(20.0, 10.0, deadline=25.0, likely_end_in=60.0)
    assert one.has_low_priority(24.0)
    assert not one.has_low_priority(25.0)
    schedule.add("a", "m", 10.0, 20.0, deadline=22.0)
    assert not one.has_low_priority(22.0), "another waiter's deadline is earlier"
