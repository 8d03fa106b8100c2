"""The timeline beside a film, as OpenTimelineIO itself reads it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_airflow.media.film.join import Film, Segment
from kling_airflow.media.film.shot import Shot
from kling_airflow.media.film.timeline import timeline

otio = pytest.importorskip("opentimelineio", reason="install opentimelineio: it is one of the extra `dev`")


def film(counts: list[int], overlap: int = 0, *, rate: int = 24, has_audio: bool = True) -> Film:
    segments, at = [], 0
    for count in counts:
        segments.append(Segment(at / rate, count / rate))
        at += count - overlap
    return Film(
        path=Path("x.mp4"),
        seconds=(at + overlap) / rate,
        width=64,
        height=48,
        rate=Fraction(rate),
        has_audio=has_audio,
        pictures="encoded",
        sound="encoded" if has_audio else "none",
        segments=segments,
        why=(),
    )


SHOTS = [
    Shot(uri="s3://clips/one.mp4", sha256="aa", request_id="r-1", take=2, cost_usd=1.26, prompt="A rocket."),
    Shot(uri="s3://clips/two.mp4", label="landing"),
]


def read(made: Film, shots: list[Shot], transition: str | None = None) -> Any:
    return otio.adapters.read_from_string(timeline(made, shots, "launch", transition).decode(), "otio_json")


def test_clips_lie_one_after_the_other_with_what_is_known_of_them() -> None:
    found = read(film([120, 121]), SHOTS)
    assert (found.name, [track.kind for track in found.tracks]) == ("launch", ["Video", "Audio"])
    one, two = found.video_tracks()[0]
    assert (one.name, two.name) == ("one", "landing")
    assert one.media_reference.target_url == "s3://clips/one.mp4"
    assert one.metadata["kling_airflow"] == {
        "request_id": "r-1",
        "take": 2,
        "cost_usd": 1.26,
        "prompt": "A rocket.",
        "sha256": "aa",
    }
    assert two.range_in_parent().start_time.to_seconds() == pytest.approx(5)
    assert found.duration().to_seconds() == pytest.approx(241 / 24)


def test_a_film_without_sound_has_one_track() -> None:
    assert len(read(film([24], has_audio=False), SHOTS[:1]).tracks) == 1


@given(st.lists(st.integers(30, 90), min_size=1, max_size=6), st.integers(0, 15))
@settings(max_examples=40, deadline=None)
def test_any_timeline_is_valid_and_as_long_as_the_film(counts: list[int], overlap: int) -> None:
    made = film(counts, overlap)
    shots = [Shot(uri=f"s3://clips/{number}.mp4") for number in range(len(counts))]
    found = read(made, shots, "fade")
    assert found.duration().to_seconds() == pytest.approx(made.seconds)
    for track in found.tracks:
        clips = [each for each in track if isinstance(each, otio.schema.Clip)]
        fades = [each for each in track if isinstance(each, otio.schema.Transition)]
        assert len(fades) == (len(counts) - 1 if overlap else 0)
        assert all(each.duration().value == overlap for each in fades)
        for clip, segment in zip(clips, made.segments, strict=True):
            used, there = clip.source_range, clip.available_range()
            assert there.start_time <= used.start_time
            assert used.end_time_exclusive() <= there.end_time_exclusive()
            # A transition shows more of a clip than its range: the clip must have it.
            shown = clip.trimmed_range_in_parent()
            begin = shown.start_time.value - clip.source_range.start_time.value
            assert begin / 24 == pytest.approx(segment.start)


def test_it_is_what_the_library_would_write() -> None:
    text = timeline(film([120, 121], 12), SHOTS, "launch", "fade").decode()
    again = otio.adapters.read_from_string(text, "otio_json")
    written = otio.adapters.write_to_string(again, "otio_json")
    assert otio.adapters.read_from_string(written, "otio_json").is_equivalent_to(again)
