"""What a clip is, as far as joining needs it: read from its header and its first picture."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidClip, KlingError
from kling_airflow.media.clip_reader import matrix_of, opened, pictures, shown_size, turn_of
from kling_airflow.media.limits import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_USUAL_RATE = Fraction(24)
_FASTEST = 120
_LARGEST_DENOMINATOR = 1001


@dataclass(frozen=True)
class ClipFacts:
    """A clip before it is joined.

    :param path: of the MP4 file.
    :param width: pixels, as a viewer sees it.
    :param height: pixels, alike.
    :param rate: pictures per second, on average.
    :param start: seconds at which its first picture begins, in the file's own time.
    :param seconds: of the video track, by the file's header.
    :param turn: what Pillow calls the turn that shows it upright; None for none.
    :param matrix: the number of its color matrix in H.273.
    :param full_range: whether its colors use the full range.
    :param sample_aspect: width of a pixel, in heights.
    :param picture: everything that must be equal for pictures to be copied without encoding.
    :param sound: the same of its audio track; None if it has none.
    """

    path: Path
    width: int
    height: int
    rate: Fraction
    start: float
    seconds: float
    turn: str | None
    matrix: int
    full_range: bool
    sample_aspect: Fraction
    picture: tuple[Any, ...]
    sound: tuple[Any, ...] | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as shown."""
        return self.width, self.height


def read_facts(path: Path, name: str, *, max_pixels: int = MAX_CLIP_PIXELS) -> ClipFacts:
    """Read what a clip is.

    :param path: of an MP4 file.
    :param name: what errors call it: "Clip 3 (s3://...)".
    :param max_pixels: of one picture; a clip with larger ones is refused.
    :raises InvalidClip: it is no clip, or has no picture.
    """
    with about(name), opened(path, max_pixels=max_pixels) as (container, video):
        video.codec_context.thread_count = 1  # one picture is decoded: threads would only cost time
        picture = next(pictures(container, video), None)
        if picture is None:
            raise InvalidClip("It has a video track, and no picture of it can be decoded.")
        width, height = shown_size(picture, video)
        aspect = video.sample_aspect_ratio
        return ClipFacts(
            path=path,
            width=width,
            height=height,
            rate=_rate(video),
            start=picture.time or 0.0,
            seconds=_seconds(container, video, path, max_pixels),
            turn=turn_of(picture),
            matrix=matrix_of(picture),
            full_range=int(picture.color_range) == 2 or str(picture.format.name).startswith("yuvj"),
            sample_aspect=Fraction(aspect) if aspect and aspect > 0 else Fraction(1),
            picture=_picture_key(picture, video),
            sound=_sound_key(container),
        )


class about:  # noqa: N801 -- reads as a word: with about("Clip 3")
    """Let every error that leaves the block begin with the clip's name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Put the name before the error's text."""
        if isinstance(error, KlingError) and not error.what.startswith(self.name):
            raise error.named(self.name) from error


def _rate(video: VideoStream) -> Fraction:
    rate = video.average_rate or video.guessed_rate or _USUAL_RATE
    return min(Fraction(rate), Fraction(_FASTEST)).limit_denominator(_LARGEST_DENOMINATOR) or _USUAL_RATE


def _seconds(container: InputContainer, video: VideoStream, path: Path, max_pixels: int) -> float:
    """Return how long the pictures last: by the header, or by reading every packet if it says nothing."""
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    with opened(path, max_pixels=max_pixels) as (again, track):
        times = [
            (packet.pts, packet.pts + (packet.duration or 0))
            for packet in again.demux(track)
            if packet.pts is not None
        ]
        if not times or not track.time_base:
            raise InvalidClip("It has no length.")
        return float((max(end for _, end in times) - min(begin for begin, _ in times)) * track.time_base)


def _picture_key(picture: VideoFrame, video: VideoStream) -> tuple[Any, ...]:
    context = video.codec_context
    return (
        context.name,
        context.extradata,
        context.width,
        context.height,
        context.pix_fmt,
        video.sample_aspect_ratio or Fraction(1),
        video.time_base,
        video.average_rate,
        turn_of(picture),
        int(picture.colorspace),
        int(picture.color_range),
    )


def _sound_key(container: InputContainer) -> tuple[Any, ...] | None:
    if not container.streams.audio:
        return None
    audio = container.streams.audio[0]
    context = audio.codec_context
    if not context.sample_rate:
        return None
    return (context.name, context.extradata, context.sample_rate, context.layout.name, audio.time_base)
