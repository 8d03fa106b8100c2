from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.polling.schedule import Schedule, group_by_model

NEVER = math.inf


def add(schedule: Schedule, name: str, now: float, interval: float = 10.0, until: float = NEVER) -> float:
    return schedule.add(name, "m", interval, now, until=until).due_at


def play(schedule: Schedule, now: float) -> list[str]:
    """A round that looks at all that is due."""
    due = schedule.due(now)
    schedule.round_begins(now)
    for one in due:
        schedule.looked(one, now, one.interval, until=NEVER)
    schedule.round_ends()
    return [one.request_id for one in due]


def test_the_first_is_looked_at_soon_and_a_burst_with_it() -> None:
    schedule = Schedule()
    first = add(schedule, "a", 0.0)
    assert 0 < first <= 0.5
    add(schedule, "b", 0.2)
    assert play(schedule, first) == ["a", "b"]


def test_later_ones_join_the_next_round() -> None:
    schedule = Schedule()
    play(schedule, add(schedule, "a", 0.0))
    next_round = schedule.next_at()
    assert add(schedule, "b", 3.0) == next_round
    assert play(schedule, next_round) == ["a", "b"]


def test_one_that_comes_during_a_round_waits_for_the_next() -> None:
    schedule = Schedule()
    began = add(schedule, "a", 0.0)
    due = schedule.due(began)
    schedule.round_begins(began)
    assert add(schedule, "b", began + 0.2) == began + 10
    schedule.looked(due[0], began, 10.0, until=NEVER)
    schedule.round_ends()
    assert schedule.next_at() == began + 10


@given(
    arrivals=st.lists(st.tuples(st.floats(0, 60), st.floats(1, 30)), min_size=1, max_size=40),
)
def test_nobody_waits_longer_than_an_interval_for_a_look(arrivals: list[tuple[float, float]]) -> None:
    schedule, now = Schedule(), 0.0
    looked: dict[str, float] = {}
    intervals: dict[str, float] = {}
    coming = sorted((at, interval, f"r{n}") for n, (at, interval) in enumerate(arrivals))
    while now < 120:
        at = min(coming[0][0] if coming else NEVER, schedule.next_at())
        now = max(now, at)
        while coming and coming[0][0] <= now:
            came, interval, name = coming.pop(0)
            add(schedule, name, came, interval)
            looked[name], intervals[name] = came, interval
        if schedule.next_at() <= now:
            for name in play(schedule, now):
                assert now - looked[name] <= intervals[name] + 1e-6
                looked[name] = now
    assert all(now - at <= intervals[name] + 1e-6 for name, at in looked.items())


def test_those_nearly_due_share_the_round() -> None:
    schedule = Schedule()
    one, two = schedule.add("a", "m", 10.0, 0.0, until=NEVER), schedule.add("b", "m", 10.0, 0.0, until=NEVER)
    one.due_at, two.due_at = 50.0, 50.9
    assert [found.request_id for found in schedule.due(50.0)] == ["a", "b"]
    two.due_at = 51.1
    assert [found.request_id for found in schedule.due(50.0)] == ["a"]


def test_a_deadline_is_looked_at() -> None:
    schedule = Schedule()
    assert add(schedule, "a", 0.0, until=0.05) == 0.05
    one = schedule.tracked["a"]
    schedule.looked(one, 0.0, 10.0, until=4.0)
    assert one.due_at == 4.0
    schedule.looked(one, 4.0, 10.0, until=4.0)
    assert one.due_at == 14.0


def test_two_waiters_of_one_request_share_its_looks_at_the_shorter_interval() -> None:
    schedule = Schedule()
    add(schedule, "a", 0.0, interval=60.0)
    one = schedule.tracked["a"]
    schedule.looked(one, 0.0, 60.0, until=NEVER)
    assert add(schedule, "a", 1.0, interval=5.0) == 6.0
    assert (len(schedule), one.interval) == (1, 5.0)


def test_what_is_dropped_is_forgotten() -> None:
    schedule = Schedule()
    add(schedule, "a", 0.0)
    schedule.drop("a")
    schedule.drop("a")
    schedule.round_ends()
    assert schedule.next_at() == NEVER
    assert schedule.due(1e9) == []


def test_a_list_call_names_one_model() -> None:
    schedule = Schedule()
    schedule.add("a", "x", 1.0, 0.0, until=NEVER)
    schedule.add("b", "y", 1.0, 0.0, until=NEVER)
    schedule.add("c", "x", 1.0, 0.0, until=NEVER)
    groups = group_by_model(schedule.tracked.values())
    assert {model: [one.request_id for one in group] for model, group in groups.items()} == {
        "x": ["a", "c"],
        "y": ["b"],
    }


def test_the_last_look_before_a_deadline_stands_back_for_nobody() -> None:
    schedule = Schedule()
    one = schedule.add("a", "m", 10.0, 0.0, until=25.0)
    schedule.looked(one, 20.0, 10.0, until=25.0, unripe=60.0)
    assert one.has_low_priority(24.0)
    assert not one.has_low_priority(25.0)
    schedule.add("a", "m", 10.0, 20.0, until=22.0)
    assert not one.has_low_priority(22.0), "another waiter's deadline is earlier"
