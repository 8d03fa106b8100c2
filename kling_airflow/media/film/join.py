"""Clips joined into one film, in constant memory: whatever can be copied is copied, the rest encoded once.

::

    from kling_airflow.media.film.join import FilmOptions, join

    film = join(["shot-1.mp4", "shot-2.mp4"], "film.mp4", FilmOptions(transition="fade"))
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidClip
from kling_airflow.media.clip_reader import opened
from kling_airflow.media.film.copying import CannotCopyError, Copier
from kling_airflow.media.film.facts import about
from kling_airflow.media.film.fades import PictureFades
from kling_airflow.media.film.options import FilmOptions
from kling_airflow.media.film.picture_filters import fitted
from kling_airflow.media.film.plan import Plan, Progress, check_target, make_plan, refuse_own_clip
from kling_airflow.media.film.samples import RATE, to_frames
from kling_airflow.media.film.sound import FilmSound, gain_of

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.frame import VideoFrame

log = logging.getLogger(__name__)

_CUT_SHORT = 0.25  # seconds that a clip's pictures may miss of what its header says
_BT709, _LIMITED = 1, 1
_MILLISECONDS = 1000


@dataclass(frozen=True)
class Segment:
    """Where a clip is in the film.

    :param start: seconds from the film's start at which its first picture is shown.
    :param seconds: how long its pictures last, those of transitions included.
    """

    start: float
    seconds: float


@dataclass(frozen=True)
class Film:
    """What was made.

    :param path: of the MP4 file.
    :param seconds: how long it is.
    :param width: pixels.
    :param height: pixels.
    :param rate: pictures per second.
    :param has_audio: whether there is an audio track.
    :param pictures: "copied" or "encoded".
    :param sound: "copied", "encoded" or "none".
    :param segments: one for each clip.
    :param why: why something was encoded, a sentence each.
    """

    path: Path
    seconds: float
    width: int
    height: int
    rate: Fraction
    has_audio: bool
    pictures: str
    sound: str
    segments: Sequence[Segment]
    why: Sequence[str]


def join(
    paths: Sequence[Path | str],
    destination: Path | str,
    options: FilmOptions | None = None,
    *,
    names: Sequence[str] = (),
    progress: Progress | None = None,
) -> Film:
    """Join clips into one MP4 file that plays while it is being loaded (``faststart``).

    Pictures are copied if the clips are alike, else encoded once. A clip without sound gets silence, and each
    clip's sound is exactly as long as its pictures, so that sound never drifts.

    :param paths: of MP4 files, in the order of the film.
    :param destination: the film's file; it is replaced.
    :param names: what errors call the clips; "Clip 1" ... by default.
    :param progress: is told how many seconds of the film are made, and how many there will be.
    :raises InvalidArgument: no clip, an option that can't be, a clip shorter than its transitions, or a
        destination that is one of the clips, or that no file can be made at.
    :raises InvalidClip: a file is no clip, or is cut short.
    """
    options = options or FilmOptions()
    files, target = [Path(path) for path in paths], Path(destination)
    called = list(names) or [f"Clip {number}" for number in range(1, len(files) + 1)]
    check_target(target)
    refuse_own_clip(files, target, called)
    plan = make_plan(files, options, called)
    while True:
        try:
            return _Joining(plan, options, called, progress).run(target)
        except CannotCopyError as error:
            why = f"The packets can't be copied one after the other: {error}."
            log.info("%s", why)
            # First only the sound is encoded, then the pictures as well.
            plan = replace(
                plan,
                copies_pictures=plan.copies_pictures and plan.copies_sound,
                copies_sound=False,
                why=(*plan.why, *({why} - {*plan.why})),
            )


def takes_chapters(out: OutputContainer) -> bool:
    """Return whether this PyAV writes chapters."""
    return hasattr(out, "set_chapters")


class _Joining:
    """One film on its way."""

    def __init__(
        self, plan: Plan, options: FilmOptions, names: Sequence[str], progress: Progress | None
    ) -> None:
        self.plan, self.options, self.names, self.progress = plan, options, names, progress
        self.sound: FilmSound | None = None
        if plan.has_sound and not plan.copies_sound:
            self.sound = FilmSound(plan, options, gain_of(plan, options))

    def run(self, target: Path) -> Film:
        """Make the film."""
        import av

        plan = self.plan
        flags = {"movflags": "faststart"}
        with av.open(str(target), "w", format="mp4", options=flags) as out:
            takes_chapters = self._hand_over_chapters(out)
            segments = self._copy(out) if plan.copies_pictures else self._encode(out)
        if not takes_chapters:
            self._add_chapters(target)
        last = segments[-1]
        return Film(
            path=target,
            seconds=round(last.start + last.seconds, 6),
            width=plan.look.width,
            height=plan.look.height,
            rate=plan.look.rate,
            has_audio=plan.has_sound,
            pictures="copied" if plan.copies_pictures else "encoded",
            sound="copied" if plan.copies_sound else "encoded" if plan.has_sound else "none",
            segments=segments,
            why=plan.why,
        )

    def _copy(self, out: OutputContainer) -> list[Segment]:
        """Copy the pictures, and the sound if it can be."""
        plan, segments = self.plan, []
        with opened(plan.clips[0].path, max_pixels=self.options.max_pixels) as (first, video):
            track = out.add_stream_from_template(video)
            sound = out.add_stream_from_template(first.streams.audio[0]) if plan.copies_sound else None
        audio = None if self.sound is None else self._audio_track(out)
        copier = Copier(track, sound, tuple(plan.clips))
        shown = 0
        for number, (clip, name) in enumerate(zip(plan.clips, self.names, strict=True)):
            begin, is_last = copier.shown, number == len(plan.clips) - 1
            with about(name):
                for packet in copier.clip(clip, is_last=is_last, max_pixels=self.options.max_pixels):
                    out.mux_one(packet)
                segments.append(Segment(begin, copier.shown - begin))
                self._check_whole(clip.seconds, segments[-1].seconds)
            if self.sound is not None:
                pictures = round(copier.shown * plan.look.rate) - shown
                shown += pictures
                self._mux_sound(out, audio, self.sound.clip(number, pictures))
            self._tell(copier.shown)
        self._finish_sound(out, audio)
        return segments

    def _encode(self, out: OutputContainer) -> list[Segment]:
        """Encode the pictures, and the sound if there is any."""
        plan, look = self.plan, self.plan.look
        track = self._video_track(out)
        audio = None if self.sound is None else self._audio_track(out)
        fades = PictureFades(look, self.options.transition or "fade", plan.overlap)
        segments: list[Segment] = []
        counts: list[int] = []
        position = shown = 0
        for number, (clip, name) in enumerate(zip(plan.clips, self.names, strict=True)):
            with about(name):
                pictures = fitted(clip, look, max_pixels=self.options.max_pixels)
                for picture in fades.clip(pictures, counts.append):
                    self._mux_picture(out, track, picture, position)
                    position += 1
                length = float(counts[-1] / look.rate)
                self._check_whole(clip.seconds, length)
                segments.append(Segment(float(shown / look.rate), length))
                shown += counts[-1] - plan.overlap
            if self.sound is not None:
                self._mux_sound(out, audio, self.sound.clip(number, counts[-1]))
            gc.collect()  # from PyAV 19 on, a graph and its nodes hold each other, and the pictures in them
            self._tell(float(position / look.rate))
        for picture in fades.rest():
            self._mux_picture(out, track, picture, position)
            position += 1
        out.mux(track.encode())
        self._finish_sound(out, audio)
        return segments

    def _video_track(self, out: OutputContainer) -> Any:
        look = self.plan.look
        settings = {"crf": str(self.options.crf), "preset": self.options.preset}
        track: Any = out.add_stream("libx264", rate=look.rate, options=settings)
        track.width, track.height, track.pix_fmt = look.width, look.height, "yuv420p"
        context = track.codec_context
        context.time_base = Fraction(1) / look.rate
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        return track

    def _audio_track(self, out: OutputContainer) -> Any:
        track: Any = out.add_stream("aac", rate=RATE, layout="stereo")
        track.codec_context.bit_rate = 192_000
        return track

    def _mux_picture(self, out: OutputContainer, track: Any, picture: VideoFrame, position: int) -> None:
        picture.pts, picture.time_base = position, Fraction(1) / self.plan.look.rate
        picture.pict_type = 0
        out.mux(track.encode(picture))

    def _mux_sound(self, out: OutputContainer, track: Any, sound: Iterator[bytes]) -> None:
        for frame in to_frames(sound):
            frame.pts = self._heard
            self._heard += frame.samples
            out.mux(track.encode(frame))

    _heard = 0  # samples of the film's sound that are encoded

    def _finish_sound(self, out: OutputContainer, track: Any) -> None:
        if self.sound is not None:
            self._mux_sound(out, track, self.sound.rest())
            out.mux(track.encode())

    def _check_whole(self, named: float, found: float) -> None:
        """Refuse a clip whose pictures end before its header says: a file that was cut short."""
        if named - found > _CUT_SHORT:
            raise InvalidClip(f"It says it lasts {named:.2f} s, {found:.2f} s can be read: it is damaged.")

    def _hand_over_chapters(self, out: OutputContainer) -> bool:
        """Say where each clip begins; return whether PyAV writes that, or there is nothing to write."""
        titles, starts = self.options.titles, self.plan.starts()
        if not takes_chapters(out):
            return not titles
        ends = [*starts[1:], self.plan.seconds]
        if titles:
            out.set_chapters(
                [
                    {
                        "id": number,
                        "start": round(begin * _MILLISECONDS),
                        "end": round(end * _MILLISECONDS),
                        "time_base": Fraction(1, _MILLISECONDS),
                        "metadata": {"title": title},
                    }
                    for number, (title, begin, end) in enumerate(zip(titles, starts, ends, strict=True), 1)
                ]
            )
        return True

    def _add_chapters(self, target: Path) -> None:
        """Write into the finished film where each clip begins."""
        from kling_airflow.media.film.chapters import MOST, write_chapters

        chapters = list(zip(self.plan.starts(), self.options.titles, strict=True))
        if len(chapters) > MOST:
            log.warning(
                "Of %d chapters the film has %d: this version of PyAV takes none, and there is no more room.",
                len(chapters),
                MOST,
            )
        write_chapters(target, chapters)

    def _tell(self, seconds: float) -> None:
        if self.progress is not None:
            self.progress(min(seconds, self.plan.seconds), self.plan.seconds)
