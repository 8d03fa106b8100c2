"""Exact frames out of a clip, as PNG: the first, the last that can be decoded, and those of chosen moments.

The pixels are those that a viewer sees: upright, square, RGB by the file's color tags. Nothing is lost
between the decoder and the PNG, so that a clip which begins on such a frame continues the clip before it.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.clip_picture import frame_at
from kling_airflow.media.clip_reader import opened, pictures, to_image
from kling_airflow.media.limits import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL import Image

MAX_FRAMES = 10_000
"""How many frames one call takes out of a clip, at most."""

_ROUNDING = 1e-6  # seconds
_FAR = 1 << 40  # ticks: past the end of any clip whose header names none
_LEVEL = 6  # of the PNG's compression; the pixels are the same at each level
_NO_PICTURE = "The clip has a video track, and no picture of it can be decoded."


@dataclass(frozen=True)
class Still:
    """A picture of a clip.

    :param seconds: the moment it was asked for, from the first picture's begin.
    :param image: RGB, as a viewer sees it.
    """

    seconds: float
    image: Image.Image

    @property
    def png(self) -> bytes:
        """The picture as PNG, without loss."""
        return to_png(self.image)


def first_frame(path: Path, *, max_pixels: int = MAX_CLIP_PIXELS) -> bytes:
    """Return the first picture that can be decoded, as PNG.

    :param path: of an MP4 file.
    :param max_pixels: of one picture; larger ones are not decoded.
    :raises InvalidClip: the file is no clip, or no picture can be decoded.
    """
    with opened(path, max_pixels=max_pixels) as (container, video):
        for picture in pictures(container, video):
            return to_png(to_image(picture, video))
    raise InvalidClip(_NO_PICTURE)


def last_frame(path: Path, *, max_pixels: int = MAX_CLIP_PIXELS) -> bytes:
    """Return the last picture that can be decoded, as PNG; only what follows the last key frame is decoded.

    If nothing can be decoded there, because the file is cut short or its end is damaged, the key frames
    before are tried, the latest first.

    :param path: of an MP4 file.
    :param max_pixels: of one picture; larger ones are not decoded.
    :raises InvalidClip: the file is no clip, or no picture can be decoded.
    """
    with opened(path, max_pixels=max_pixels) as (container, video):
        last = _last_by_key_frames(container, video)
        if last is not None:
            return to_png(to_image(last, video))
    with opened(path, max_pixels=max_pixels) as (container, video):
        last = _last_of(pictures(container, video))
        if last is None:
            raise InvalidClip(_NO_PICTURE)
        return to_png(to_image(last, video))


def frame_png(path: Path, seconds: float, *, max_pixels: int = MAX_CLIP_PIXELS) -> bytes:
    """Return the picture that is shown at a moment, as PNG.

    :param path: of an MP4 file.
    :param seconds: from the start; a negative number counts from the end.
    :param max_pixels: of one picture; larger ones are not decoded.
    :raises InvalidArgument: the clip is shorter than that.
    :raises InvalidClip: no picture can be decoded there.
    """
    return to_png(frame_at(path, seconds, max_pixels=max_pixels))


def frames_every(path: Path, every: float, *, max_pixels: int = MAX_CLIP_PIXELS) -> Iterator[Still]:
    """Yield the pictures shown at 0, ``every``, twice ``every`` ... seconds, one held in memory at a time.

    :param path: of an MP4 file.
    :param every: seconds between two pictures, above 0.
    :param max_pixels: of one picture; larger ones are not decoded.
    :raises InvalidArgument: ``every`` is not above 0, or so small that there are over 10,000 pictures.
    :raises InvalidClip: the file is no clip, or no picture can be decoded.
    """
    if not every > 0 or math.isinf(every):
        raise InvalidArgument(f"`every` is {every!r}; it must be a number of seconds above 0.")
    for number, still in enumerate(stills(path, _multiples(every), max_pixels=max_pixels)):
        if number >= MAX_FRAMES:
            raise InvalidArgument(
                f"`every` is {every:g} s, which makes more than {MAX_FRAMES:,} frames of this clip."
            )
        yield still


def stills(path: Path, moments: Iterable[float], *, max_pixels: int = MAX_CLIP_PIXELS) -> Iterator[Still]:
    """Yield the pictures that are shown at some moments, in one pass; those past the end are left out.

    :param path: of an MP4 file.
    :param moments: seconds from the first picture's begin, in ascending order; may be endless.
    :param max_pixels: of one picture; larger ones are not decoded.
    :raises InvalidClip: the file is no clip, or no picture can be decoded.
    """
    with opened(path, max_pixels=max_pixels) as (container, video):
        wanted = iter(moments)
        moment = next(wanted, None)
        shown: VideoFrame | None = None
        start = ends = 0.0
        for picture in pictures(container, video):
            begins = picture.time if picture.time is not None else ends
            if shown is None:
                start = begins
            while shown is not None and moment is not None and start + moment < begins - _ROUNDING:
                yield Still(moment, to_image(shown, video))
                moment = next(wanted, None)
            if moment is None:
                return
            shown, ends = picture, begins + _length(picture, video)
        if shown is None:
            raise InvalidClip(_NO_PICTURE)
        while moment is not None and start + moment < ends - _ROUNDING:
            yield Still(moment, to_image(shown, video))
            moment = next(wanted, None)


def to_png(image: Image.Image) -> bytes:
    """Return an image as PNG, without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=_LEVEL)
    return buffer.getvalue()


def _last_by_key_frames(container: InputContainer, video: VideoStream) -> VideoFrame | None:
    """Return the last picture after the latest key frame that leads to any; None if no seek helps."""
    import av

    target = (video.start_time or 0) + (video.duration or _FAR)
    while True:
        try:
            container.seek(target, stream=video, backward=True)
            begins = _first_time(container, video)
            container.seek(target, stream=video, backward=True)
            last = _last_of(pictures(container, video))
        except av.FFmpegError:
            return None
        if last is not None:
            return last
        if begins is None or begins > target:
            return None
        target = begins - 1


def _first_time(container: InputContainer, video: VideoStream) -> int | None:
    """Return when the next packet begins, in the track's time base; None if there is none."""
    for packet in container.demux(video):
        times = [time for time in (packet.pts, packet.dts) if time is not None]
        return min(times, default=None)
    return None


def _last_of(found: Iterable[VideoFrame]) -> VideoFrame | None:
    """Return the picture that is shown last: a decoder yields pictures in the order they are shown in."""
    last = None
    for picture in found:
        last = picture
    return last


def _length(picture: VideoFrame, video: VideoStream) -> float:
    """Return how many seconds a picture is shown."""
    if picture.duration and picture.time_base:
        return float(picture.duration * picture.time_base)
    return float(1 / video.average_rate) if video.average_rate else 0.0


def _multiples(every: float) -> Iterator[float]:
    number = 0
    while True:
        yield round(number * every, 9)
        number += 1
