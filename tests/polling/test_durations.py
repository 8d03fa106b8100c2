from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.polling.durations import MAX_LOW_PRIORITY, MIN_SAMPLES, GenerationDurations, ModelAndLength

KIND: ModelAndLength = ("kling-v3-image-to-video", 5)


def lately(*seconds: float, at: float = 1000.0) -> GenerationDurations:
    made = GenerationDurations()
    for value in seconds:
        made.note(KIND, value, at)
    return made


@given(
    history=st.lists(st.floats(0, 400), max_size=30),
    age=st.floats(0, 400),
    interval=st.floats(1, 30),
)
def test_what_may_be_over_before_the_next_look_is_ripe(
    history: list[float], age: float, interval: float
) -> None:
    made = lately(*history)
    unripe = made.likely_end_in(KIND, age, interval, 1000.0)
    assert 0.0 <= unripe <= MAX_LOW_PRIORITY
    shortest = made.shortest(KIND, 1000.0)
    if unripe:
        assert shortest is not None
        assert age + unripe <= shortest - interval + 1e-6


def test_a_young_request_stands_back_until_it_may_be_done() -> None:
    made = lately(100, 110, 120, 130, 140)
    assert made.likely_end_in(KIND, 5.0, 10.0, 1000.0) == 85.0
    assert made.likely_end_in(KIND, 95.0, 10.0, 1000.0) == 0.0


def test_too_little_or_nothing_known_puts_nobody_back() -> None:
    assert lately(*[100] * (MIN_SAMPLES - 1)).likely_end_in(KIND, 0.0, 10.0, 1000.0) == 0.0
    full = lately(*[100] * MIN_SAMPLES)
    assert full.likely_end_in((KIND[0], 15), 0.0, 10.0, 1000.0) == 0.0
    assert full.likely_end_in(KIND, 0.0, 10.0, 1000.0) == 90.0


def test_what_was_learned_is_forgotten_after_an_hour() -> None:
    made = lately(*[100] * MIN_SAMPLES)
    assert made.shortest(KIND, 1000.0 + 3600) == 100
    assert made.shortest(KIND, 1000.0 + 3601) is None


def test_it_stays_small() -> None:
    made = GenerationDurations()
    for number in range(1000):
        for _ in range(50):
            made.note((f"model-{number}", 5), 10.0, 0.0)
    assert len(made._ends) == 100
    assert all(len(ends) == 20 for ends in made._ends.values())


def test_clocks_that_disagree_teach_nothing() -> None:
    assert lately(*[-5.0] * 10).shortest(KIND, 1000.0) is None


def test_a_quicker_one_counts_at_once() -> None:
    made = lately(*[100] * MIN_SAMPLES)
    assert made.shortest(KIND, 1000.0) == 100
    made.note(KIND, 60.0, 1000.0)
    assert made.shortest(KIND, 1000.0) == 60
