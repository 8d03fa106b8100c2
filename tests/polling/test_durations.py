"""What is learned from the durations of recent generations, and for how long it counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.polling.durations import MAX_LOW_PRIORITY, MIN_SAMPLES, GenerationDurations, ModelAndLength

KIND: ModelAndLength = ("kling-v3-image-to-video", 5)


def durations_of(*seconds: float, at: float = 1000.0) -> GenerationDurations:
    made = GenerationDurations()
    for value in seconds:
        made.record(KIND, value, at)
    return made


@given(
    history=st.lists(st.floats(0, 400), max_size=30),
    age=st.floats(0, 400),
    interval=st.floats(1, 30),
)
def test_a_request_that_may_end_before_the_next_look_has_full_priority(
    history: list[float], age: float, interval: float
) -> None:
    made = durations_of(*history)
    likely_end_in = made.likely_end_in(KIND, age, interval, 1000.0)
    assert 0.0 <= likely_end_in <= MAX_LOW_PRIORITY
    shortest = made.shortest(KIND, 1000.0)
    if likely_end_in:
        assert shortest is not None
        assert age + likely_end_in <= shortest - interval + 1e-6


def test_a_recent_request_has_low_priority_until_its_end_is_likely() -> None:
    made = durations_of(100, 110, 120, 130, 140)
    assert made.likely_end_in(KIND, 5.0, 10.0, 1000.0) == 85.0
    assert made.likely_end_in(KIND, 95.0, 10.0, 1000.0) == 0.0


def test_with_too_few_samples_every_request_has_full_priority() -> None:
    assert durations_of(*[100] * (MIN_SAMPLES - 1)).likely_end_in(KIND, 0.0, 10.0, 1000.0) == 0.0
    full = durations_of(*[100] * MIN_SAMPLES)
    assert full.likely_end_in((KIND[0], 15), 0.0, 10.0, 1000.0) == 0.0
    assert full.likely_end_in(KIND, 0.0, 10.0, 1000.0) == 90.0


def test_a_sample_counts_for_an_hour() -> None:
    made = durations_of(*[100] * MIN_SAMPLES)
    assert made.shortest(KIND, 1000.0 + 3600) == 100
    assert made.shortest(KIND, 1000.0 + 3601) is None


def test_the_number_of_samples_is_bounded() -> None:
    made = GenerationDurations()
    for number in range(1000):
        for _ in range(50):
            made.record((f"model-{number}", 5), 10.0, 0.0)
    assert len(made._samples) == 100
    assert all(len(ends) == 20 for ends in made._samples.values())


def test_a_negative_duration_is_ignored() -> None:
    assert durations_of(*[-5.0] * 10).shortest(KIND, 1000.0) is None


def test_a_shorter_duration_counts_at_once() -> None:
    made = durations_of(*[100] * MIN_SAMPLES)
    assert made.shortest(KIND, 1000.0) == 100
    made.record(KIND, 60.0, 1000.0)
    assert made.shortest(KIND, 1000.0) == 60
