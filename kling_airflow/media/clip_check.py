"""A clip measured, and compared with what was asked of the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidClip
from kling_airflow.media.clip_reader import Track, opened, read_track
from kling_airflow.media.clip_sound import Sound, read_sound
from kling_airflow.media.limits import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

DURATION_TOLERANCE = 0.5
"""Seconds that a clip may differ from what was asked. Users saw clips of 5 s that last 5.04 s."""

NOT_CHECKED = "not checked"

_END_TOLERANCE = 0.25  # seconds that the pictures may end before the end that the file names


@dataclass(frozen=True)
class ClipInfo:
    """What a clip measures, and what of it was checked.

    :param duration_seconds: of the video track, its last picture's own duration included.
    :param width: pixels, as a viewer sees the clip: rotated, with square pixels.
    :param height: pixels, alike.
    :param fps: frames per second, on average.
    :param has_audio: whether there is an audio track.
    :param duration_check: "5.04 s, asked for 5 s", or "not checked".
    :param sound_check: "has sound, as asked for", "silent, though sound was asked for", or "not checked".
    :param pictures_check: "61 of 120 can be decoded"; None if all can.
    :param mismatches: what differs from what was asked, a sentence each; only ``on_mismatch="warn"`` lets
        such a clip pass.
    """

    duration_seconds: float
    width: int
    height: int
    fps: float
    has_audio: bool
    duration_check: str = NOT_CHECKED
    sound_check: str = NOT_CHECKED
    pictures_check: str | None = None
    mismatches: tuple[str, ...] = ()


def check_clip(
    path: Path,
    *,
    duration: float | None = None,
    sound: bool | None = None,
    on_mismatch: str = "fail",
    max_pixels: int = MAX_CLIP_PIXELS,
    look: Callable[[VideoFrame, VideoStream], object] | None = None,
    look_at_first: Callable[[VideoFrame, VideoStream], object] | None = None,
) -> ClipInfo:
    """Decode a clip from its first to its last picture, and compare it with what was asked.

    :param path: of an MP4 file.
    :param duration: seconds that were asked for; None if they are not known.
    :param sound: whether sound was asked for; None if that is not known.
    :param on_mismatch: "fail" refuses a clip that is damaged or not what was asked for; "warn" returns what
        is wrong in ``mismatches``.
    :param max_pixels: of one picture; a clip with larger ones is refused.
    :param look: is shown each picture: what else needs one is spared decoding the clip again.
    :param look_at_first: is shown the first picture if that is a key frame. If no other is looked at, the
        check takes a tenth less of the CPU.
    :raises InvalidClip: the file is no clip, or, with "fail": it is cut short or damaged, lasts more than
        0.5 s longer or shorter, or has no audio track though sound was asked for. A clip with sound that was
        not asked for passes, and so does a silent track: ``sound_check`` says it.
    """
    first = _First(look_at_first)
    with opened(path, max_pixels=max_pixels, is_shown=look is not None) as (container, video):
        track = read_track(container, video, look or first.look)
        has_audio = bool(container.streams.audio)
        heard = read_sound(container) if sound and has_audio else None
        named = _named_seconds(container, video)
    pictures_check, damage = _check_pictures(track, named)
    duration_check, wrong_duration = _check_duration(track.seconds, duration)
    sound_check, wrong_sound = _check_sound(has_audio, sound, heard, track.seconds)
    mismatches = tuple(text for text in (damage, wrong_duration, wrong_sound) if text)
    if mismatches and on_mismatch == "fail":
        raise InvalidClip(" ".join(mismatches))
    return ClipInfo(
        duration_seconds=round(track.seconds, 3),
        width=track.width,
        height=track.height,
        fps=round(track.fps, 3),
        has_audio=has_audio,
        duration_check=duration_check,
        sound_check=sound_check,
        pictures_check=pictures_check,
        mismatches=mismatches,
    )


class _First:
    """Shows the first picture of a track, and no other."""

    def __init__(self, show: Callable[[VideoFrame, VideoStream], object] | None) -> None:
        self._show = show

    def look(self, picture: VideoFrame, video: VideoStream) -> None:
        """Show the picture if it is the first, and if it is whole without another picture."""
        show, self._show = self._show, None
        if show is not None and picture.key_frame:
            show(picture, video)


def _named_seconds(container: InputContainer, video: VideoStream) -> float:
    """Return the end that the file's header names for the video track; 0 if it names none."""
    if video.duration and video.time_base:
        start = video.start_time or 0
        return float((start + video.duration) * video.time_base)
    return 0.0


def _check_pictures(track: Track, named: float) -> tuple[str | None, str | None]:
    """Compare what can be decoded with the header: that of a file that was cut short is whole."""
    missing = named > track.end + _END_TOLERANCE
    if not track.damaged and not missing:
        return None, None
    if missing:
        text = f"the clip says it lasts {named:.2f} s, {track.end:.2f} s can be decoded"
    else:
        text = f"{track.shown} of {track.shown + track.damaged} pictures can be decoded"
    return text, f"The clip is damaged: {text}."


def _check_duration(seconds: float, asked: float | None) -> tuple[str, str | None]:
    if asked is None:
        return NOT_CHECKED, None
    said = f"{seconds:.2f} s, asked for {asked:g} s"
    if abs(seconds - asked) <= DURATION_TOLERANCE:
        return said, None
    return said, (
        f"The clip lasts {seconds:.2f} s; asked for were {asked:g} s, and {DURATION_TOLERANCE:g} s more "
        "or less are allowed."
    )


def _check_sound(
    has_audio: bool, asked: bool | None, heard: Sound | None, seconds: float
) -> tuple[str, str | None]:
    if asked is None:
        return NOT_CHECKED, None
    if asked and not has_audio:
        return "has none, though sound was asked for", "The clip has no audio track; sound was asked for."
    if heard is not None and not heard.seconds:
        return (
            "can't be decoded, though sound was asked for",
            "The clip has an audio track without sound in it; sound was asked for.",
        )
    if heard is not None and heard.silent:
        return "silent, though sound was asked for", None
    if heard is not None and heard.seconds < seconds - DURATION_TOLERANCE:
        return f"has sound for {heard.seconds:.2f} s of {seconds:.2f} s", None
    found = "has sound" if has_audio else "has none"
    return f"{found}, {'as' if has_audio == asked else 'though not'} asked for", None
