"""An input video held against the limits of the queue, before money is spent."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from kling_airflow.errors import InvalidClip

TOLERANCE: Final = 0.1
"""Seconds by which a video may miss a limit: Kling's own clip of 10 s lasts 10.04 s (seen)."""


def check_video(data: bytes, *, least: float, most: float) -> float:
    """Return how long a video lasts, in seconds, by the end that its file names.

    :param least: seconds of the shortest video that the queue takes.
    :param most: seconds of the longest.
    :raises InvalidClip: the file is no MP4, has no video track, or is too short or too long.
    """
    from kling_airflow.media.clip_reader import opened

    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(data)
        file.flush()
        with opened(Path(file.name)) as (container, video):
            seconds = 0.0
            if video.duration and video.time_base:
                seconds = float(video.duration * video.time_base)
            elif container.duration:
                seconds = container.duration / 1_000_000
    if not least - TOLERANCE <= seconds <= most + TOLERANCE:
        raise InvalidClip(f"The video lasts {seconds:.2f} s; the queue takes {least:g} to {most:g} s.")
    return seconds
