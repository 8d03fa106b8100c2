"""Checks input videos against the limits that the vendor documents."""

from __future__ import annotations

import io

from kling_airflow.simulator.media.frames import Unusable

MAX_BYTES = 200 * 1024 * 1024
TOLERANCE = 0.1
"""Seconds by which a video may miss a limit: Kling's own clip of 10 s lasts 10.04 s (seen)."""


def check(data: bytes, least: float, most: float) -> float:
    """Return how long a video lasts, in seconds.

    :param least: seconds of the shortest that is taken.
    :param most: seconds of the longest.
    :raises Unusable: naming the limit that the video breaks.
    """
    import av

    if len(data) > MAX_BYTES:
        raise Unusable(f"{len(data)} bytes, the limit is {MAX_BYTES}")
    options = {"protocol_whitelist": "", "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2"}
    try:
        with av.open(io.BytesIO(data), mode="r", format="mp4", options=options) as container:
            if not container.streams.video:
                raise Unusable("no video track")
            video = container.streams.video[0]
            named = float(video.duration * video.time_base) if video.duration and video.time_base else 0.0
            seconds = named or (container.duration or 0) / 1_000_000
    except av.FFmpegError as error:
        raise Unusable(f"not a video: {error}") from error
    if not least - TOLERANCE <= seconds <= most + TOLERANCE:
        raise Unusable(f"{seconds:.2f} s, the limits are {least:g} and {most:g} s")
    return seconds
