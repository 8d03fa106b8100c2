from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from kling_airflow.gmi.lately import LONGEST_SKIP, MIN_SAMPLES, Kind, Lately

KIND: Kind = ("kling-v3-image-to-video", 5)


def lately(*seconds: float, at: float = 1000.0) -> Lately:
    made = Lately()
    for value in seconds:
        made.note(KIND, value, at)
    return made


@given(
    history=st.lists(st.floats(0, 400), max_size=30),
    takes=st.floats(0, 400),
    seen_at=st.floats(0, 400),
    interval=st.floats(1, 30),
)
def test_what_takes_as_long_as_the_quickest_of_late_is_never_noticed_later_than_an_interval(
    history: list[float], takes: float, seen_at: float, interval: float
) -> None:
    """Looks go on from any age at which it was seen active, as the poller does it."""
    assume(seen_at < takes)
    made = lately(*history)
    shortest = made.shortest(KIND, 1000.0)
    age = seen_at
    while age < takes:
        pause = made.pause(KIND, age, interval, 1000.0)
        assert interval <= pause <= max(interval, LONGEST_SKIP)
        age += pause
    if shortest is None or takes >= shortest:
        assert age - takes <= interval + 1e-6
    else:
        assert age - takes <= max(interval, LONGEST_SKIP)


def test_a_young_request_is_left_alone_until_it_may_be_done() -> None:
    made = lately(100, 110, 120, 130, 140)
    assert made.pause(KIND, 5.0, 10.0, 1000.0) == 85.0
    assert made.pause(KIND, 95.0, 10.0, 1000.0) == 10.0


def test_too_little_or_nothing_known_changes_nothing() -> None:
    assert lately(*[100] * (MIN_SAMPLES - 1)).pause(KIND, 0.0, 10.0, 1000.0) == 10.0
    full = lately(*[100] * MIN_SAMPLES)
    assert full.pause(KIND, None, 10.0, 1000.0) == 10.0
    assert full.pause((KIND[0], 15), 0.0, 10.0, 1000.0) == 10.0
    assert full.pause(KIND, 0.0, 10.0, 1000.0) == 90.0


def test_what_was_learned_is_forgotten_after_an_hour() -> None:
    made = lately(*[100] * MIN_SAMPLES)
    assert made.shortest(KIND, 1000.0 + 3600) == 100
    assert made.shortest(KIND, 1000.0 + 3601) is None


def test_it_stays_small() -> None:
    made = Lately()
    for number in range(1000):
        for _ in range(50):
            made.note((f"model-{number}", 5), 10.0, 0.0)
    assert len(made._ends) == 100
    assert all(len(ends) == 20 for ends in made._ends.values())


def test_clocks_that_disagree_teach_nothing() -> None:
    assert lately(*[-5.0] * 10).shortest(KIND, 1000.0) is None
