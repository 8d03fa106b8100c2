"""A clip checked, and pictures taken out of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kling_airflow.errors import InvalidArgument, InvalidClip

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL import Image

DURATION_TOLERANCE = 0.5
"""Seconds that a clip may differ from what was asked. A 5 s clip lasts 5.04 s (seen)."""

NOT_CHECKED = "not checked"

# FFmpeg also opens playlists, which name other files and addresses; a download is never one of those.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2"
_END_TOLERANCE = 0.25  # seconds: how far before its end the last picture of a clip may begin
_POSTER_SECONDS = 1.0
_POSTER_QUALITY = 90
_FLAT = 12.0  # standard deviation of the gray values below which a picture is a blank


@dataclass(frozen=True)
class ClipInfo:
    """What a clip measures, and what of it was checked.

    :param duration_seconds: of the video track.
    :param width: pixels.
    :param height: pixels.
    :param fps: frames per second, on average.
    :param has_audio: whether there is an audio track.
    :param duration_check: "5.04 s, asked for 5 s", or "not checked".
    :param sound_check: "has sound, as asked for", "has none, as asked for", or "not checked".
    """

    duration_seconds: float
    width: int
    height: int
    fps: float
    has_audio: bool
    duration_check: str = NOT_CHECKED
    sound_check: str = NOT_CHECKED


def check_clip(path: Path, *, duration: float | None = None, sound: bool | None = None) -> ClipInfo:
    """Open a clip, decode its first and a late frame, and compare it with what was asked.

    :param path: of an MP4 file.
    :param duration: seconds that were asked for; None where nobody knows.
    :param sound: whether sound was asked for; None where nobody knows.
    :raises InvalidClip: it doesn't open, has no video, is cut short, lasts more than 0.5 s longer or
        shorter, or has no sound though it should. A clip with sound that nobody asked for passes.
    """
    with _opened(path) as (container, video):
        first = next(_frames(container, video), None)
        if first is None:
            raise InvalidClip("The clip has a video track without a single frame.")
        seconds = _seconds(container, video)
        _decode_the_end(container, video, seconds)
        has_audio = bool(container.streams.audio)
        info = ClipInfo(
            duration_seconds=round(seconds, 3),
            width=first.width,
            height=first.height,
            fps=round(float(video.average_rate or 0), 3),
            has_audio=has_audio,
            duration_check=_check_duration(seconds, duration),
            sound_check=_check_sound(has_audio, sound),
        )
        if sound:
            _decode_sound(container)
    return info


def poster(path: Path) -> bytes:
    """Return a JPEG of an early picture of the clip: the first that isn't blank, within a second.

    :param path: of an MP4 file.
    :raises InvalidClip: no picture can be decoded.
    """
    from PIL import ImageStat

    best: tuple[float, Image.Image] | None = None
    with _opened(path) as (container, video):
        for frame in _frames(container, video):
            image = _image(frame)
            contrast = ImageStat.Stat(image.convert("L").reduce(8)).stddev[0]
            if best is None or contrast > best[0]:
                best = contrast, image
            if contrast >= _FLAT or (frame.time or 0.0) >= _POSTER_SECONDS:
                break
    if best is None:
        raise InvalidClip("The clip has a video track without a single frame.")
    buffer = io.BytesIO()
    best[1].save(buffer, "JPEG", quality=_POSTER_QUALITY, optimize=True)
    return buffer.getvalue()


def frame_at(path: Path, seconds: float) -> Image.Image:
    """Return the picture that is shown at a moment of the clip.

    :param path: of an MP4 file.
    :param seconds: from the start; a negative number counts from the end, so -0.01 is the last picture.
    :return: an RGB image.
    :raises InvalidArgument: the clip is shorter than that.
    :raises InvalidClip: nothing can be decoded there.
    """
    with _opened(path) as (container, video):
        length = _seconds(container, video)
        moment = length + seconds if seconds < 0 else seconds
        if not 0 <= moment <= length:
            raise InvalidArgument(f"seconds is {seconds:g}; the clip lasts {length:.2f} s.")
        _seek(container, video, moment)
        shown: VideoFrame | None = None
        for frame in _frames(container, video):
            if shown is not None and (frame.time or 0.0) > moment + 1e-6:
                break
            shown = frame
        if shown is None:
            raise InvalidClip(f"The clip has no picture at {moment:.2f} s.")
        return _image(shown)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    import av

    try:
        with av.open(
            str(path),
            mode="r",
            format="mp4",
            options={"protocol_whitelist": "file", "format_whitelist": _CONTAINERS},
        ) as container:
            if not container.streams.video:
                raise InvalidClip("The clip has no video track.")
            container.streams.video[0].thread_type = "AUTO"
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        raise InvalidClip(
            f"The clip can't be read as MP4 ({type(error).__name__}: {error.strerror}); "
            f"the file has {path.stat().st_size if path.exists() else 0:,} bytes."
        ) from error


def _frames(container: InputContainer, video: VideoStream) -> Iterator[VideoFrame]:
    yield from container.decode(video)


def _image(frame: VideoFrame) -> Image.Image:
    return cast("Image.Image", frame.to_image())  # type: ignore[no-untyped-call]


def _seconds(container: InputContainer, video: VideoStream) -> float:
    import av

    if video.duration is not None and video.time_base is not None:
        return float(video.duration * video.time_base)
    if container.duration is not None:
        return container.duration / av.time_base
    raise InvalidClip("The clip doesn't say how long it lasts.")


def _seek(container: InputContainer, video: VideoStream, moment: float) -> None:
    """Go to the last key frame before a moment."""
    if video.time_base:
        container.seek(int(moment / video.time_base), stream=video, backward=True)


def _decode_the_end(container: InputContainer, video: VideoStream, seconds: float) -> None:
    """Decode to the end: a file that was cut short has a whole header and half the pictures."""
    _seek(container, video, max(0.0, seconds - _END_TOLERANCE))
    last = None
    for frame in _frames(container, video):
        last = frame.time
    if last is None or last < seconds - _END_TOLERANCE:
        reached = "nothing" if last is None else f"{last:.2f} s"
        raise InvalidClip(f"The clip says it lasts {seconds:.2f} s, but {reached} can be decoded.")


def _check_duration(seconds: float, asked: float | None) -> str:
    if asked is None:
        return NOT_CHECKED
    if abs(seconds - asked) > DURATION_TOLERANCE:
        raise InvalidClip(
            f"The clip lasts {seconds:.2f} s; asked for were {asked:g} s, and {DURATION_TOLERANCE:g} s more "
            "or less are allowed."
        )
    return f"{seconds:.2f} s, asked for {asked:g} s"


def _check_sound(has_audio: bool, asked: bool | None) -> str:
    if asked is None:
        return NOT_CHECKED
    if asked and not has_audio:
        raise InvalidClip("The clip has no audio track; sound was asked for.")
    found = "has sound" if has_audio else "has none"
    return f"{found}, {'as' if has_audio == asked else 'though not'} asked for"


def _decode_sound(container: InputContainer) -> None:
    container.seek(0)
    if next(container.decode(audio=0), None) is None:
        raise InvalidClip("The clip has an audio track without sound in it; sound was asked for.")
