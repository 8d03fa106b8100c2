"""An input video held against the queue's limits."""

from __future__ import annotations

import pytest

from kling_airflow.errors import InvalidClip
from kling_airflow.media.video_check import check_video
from tests.simulator.movies import movie


@pytest.mark.parametrize("seconds", [3, 4, 10])
def test_a_video_within_the_limits_passes(seconds: int) -> None:
    assert check_video(movie(seconds), least=3, most=10) == pytest.approx(seconds, abs=0.05)


@pytest.mark.parametrize("seconds", [1, 2, 11])
def test_a_video_of_another_length_is_refused_with_both_limits(seconds: int) -> None:
    with pytest.raises(InvalidClip, match=rf"lasts {seconds}\.\d+ s; the queue takes 3 to 10 s"):
        check_video(movie(seconds), least=3, most=10)


@pytest.mark.parametrize("data", [b"", b"no video", movie(4)[:200]])
def test_what_is_no_video_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidClip):
        check_video(data, least=3, most=10)
