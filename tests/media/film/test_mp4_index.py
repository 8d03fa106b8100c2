"""What an index says without FFmpeg is what FFmpeg says, or nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_airflow.media.film.facts import read_facts
from kling_airflow.media.film.mp4_index import read_index
from kling_airflow.media.film.options import FilmOptions
from kling_airflow.media.film.plan import make_plan
from tests.media.film.clips import clap
from tests.media.movies import turned, write_pictures
from tests.media.pictures import quarters


def test_clips_of_one_encoder_are_alike_whatever_their_length(tmp_path: Path) -> None:
    one, two = clap(tmp_path / "a.mp4", frames=24), clap(tmp_path / "b.mp4", frames=49, at=3)
    first, second = read_index(one), read_index(two)
    assert first is not None
    assert second is not None
    assert first.alike == second.alike
    assert (first.seconds, second.seconds) == pytest.approx((1, 49 / 24))


@pytest.mark.parametrize(
    "change",
    [
        {"size": (64, 64)},
        {"rate": 25},
        {"sound": None},
        {"sound": 44_100},
        {"layout": "mono"},
        {"options": {"bf": "2"}},
    ],
)
def test_any_difference_shows(tmp_path: Path, change: dict[str, Any]) -> None:
    one, two = read_index(clap(tmp_path / "a.mp4")), read_index(clap(tmp_path / "b.mp4", **change))
    assert one is not None
    assert two is not None
    assert one.alike != two.alike


def test_a_turn_shows(tmp_path: Path) -> None:
    path = clap(tmp_path / "a.mp4")
    upright = read_index(path)
    path.write_bytes(turned(path.read_bytes(), (0, 1, -1, 0)))
    assert read_index(path) != upright


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "frag_every_frame+empty_moov"])
def test_a_fragmented_file_is_left_to_ffmpeg(tmp_path: Path, flags: str) -> None:
    pictures = [quarters(64, 48)] * 4
    path = write_pictures(tmp_path / "f.mp4", pictures, container_options={"movflags": flags})
    assert read_index(path) is None


def test_a_varying_rate_is_left_to_ffmpeg(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "v.mp4", [quarters(64, 48)] * 4, times=[0, 3, 4, 9])
    assert read_index(path) is None


@given(frames=st.integers(2, 60), at=st.integers(0, 30), bframes=st.integers(0, 2))
@settings(max_examples=15, deadline=None)
def test_facts_taken_over_are_those_that_ffmpeg_finds(frames: int, at: int, bframes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = {"bf": str(bframes)}
        one = clap(Path(folder) / "a.mp4", frames=24, options=options)
        two = clap(Path(folder) / "b.mp4", frames=frames, at=at, options=options)
        plan = make_plan([one, two], FilmOptions())
        assert plan.clips[1] == read_facts(two, "x")


@given(st.binary(max_size=300))
def test_no_file_breaks_it(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mp4"
        for content in (data, (len(data) + 8).to_bytes(4, "big") + b"moov" + data):
            path.write_bytes(content)
            assert read_index(path) is None
