"""What a film is to be, and how it is made: what can be copied is copied, the rest is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.film.facts import ClipFacts, read_facts
from kling_airflow.media.film.fades import TRANSITIONS
from kling_airflow.media.film.mix import Music
from kling_airflow.media.film.mp4_index import read_index
from kling_airflow.media.film.picture_filters import FITS, Look
from kling_airflow.media.limits import MAX_CLIP_PIXELS
from kling_airflow.yaml_habits import range_hint

SHAPES = {"16:9": Fraction(16, 9), "9:16": Fraction(9, 16), "1:1": Fraction(1), "4:5": Fraction(4, 5)}
"""The shapes that a film can be made in, width by height."""

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
MAX_CLIPS = 1_000
_AGREED = 1e-4  # seconds
_LONGEST_TRANSITION = 2.0
_LEAST_LOUDNESS, _MOST_LOUDNESS = -70.0, -5.0

Progress = Callable[[float, float], None]
"""Is told how many seconds of the film are made, and how many there will be."""


@dataclass(frozen=True, kw_only=True)
class FilmOptions:
    """How clips become a film.

    :param shape: "16:9", "9:16", "1:1", "4:5"; None for that of the first clip.
    :param fit: how a clip of another shape is fitted: "pad", "crop" or "blur".
    :param transition: None for cuts, or one of FFmpeg's ``xfade`` transitions, such as "fade".
    :param transition_seconds: how long a transition takes, up to 2 s.
    :param music: a track under the whole film.
    :param loudness: of the film, in LUFS; None leaves it as it is. -14 is what streaming services ask for.
    :param titles: of each clip, for the chapters; none makes no chapters.
    :param crf: x264's quality if pictures are encoded, 0 to 51; 18 can hardly be told from the clip.
    :param preset: x264's preset: the slower, the smaller the file.
    :param max_pixels: of one picture of a clip; larger ones are refused.
    """

    shape: str | None = None
    fit: str = "pad"
    transition: str | None = None
    transition_seconds: float = 0.5
    music: Music | None = None
    loudness: float | None = None
    titles: Sequence[str] = ()
    crf: int = 18
    preset: str = "medium"
    max_pixels: int = MAX_CLIP_PIXELS

    def check(self) -> None:
        """Refuse what no clip can be joined with.

        :raises InvalidArgument: naming the field, the value and what is possible.
        """
        _one_of("shape", self.shape, (None, *SHAPES))
        _one_of("fit", self.fit, FITS)
        _one_of("transition", self.transition, (None, *TRANSITIONS))
        _one_of("preset", self.preset, PRESETS)
        _within("transition_seconds", self.transition_seconds, 0.0, _LONGEST_TRANSITION)
        _within("crf", self.crf, 0, 51)
        if self.loudness is not None:
            _within("loudness", self.loudness, _LEAST_LOUDNESS, _MOST_LOUDNESS)


@dataclass(frozen=True)
class Plan:
    """How a film is made.

    :param clips: in the order of the film.
    :param look: of every picture.
    :param copies_pictures: whether the clips' pictures are taken over as they are.
    :param copies_sound: whether their sound is, too; False if it is encoded, or there is none.
    :param has_sound: whether the film has an audio track.
    :param overlap: pictures that a transition takes.
    :param why: why something is encoded, a sentence each.
    """

    clips: Sequence[ClipFacts]
    look: Look
    copies_pictures: bool
    copies_sound: bool
    has_sound: bool
    overlap: int
    why: Sequence[str] = field(default=())

    @property
    def seconds(self) -> float:
        """How long the film will be, by the headers of its clips."""
        lost = (len(self.clips) - 1) * float(self.overlap / self.look.rate)
        return sum(clip.seconds for clip in self.clips) - lost

    def starts(self) -> list[float]:
        """Return when each clip begins, seconds, by the headers of the clips."""
        found, at = [], 0.0
        for clip in self.clips:
            found.append(at)
            at += clip.seconds - float(self.overlap / self.look.rate)
        return found


def make_plan(paths: Sequence[Path], options: FilmOptions, names: Sequence[str] = ()) -> Plan:
    """Read what the clips are, and decide what is copied.

    :param paths: of MP4 files, in the order of the film.
    :param names: what errors call the clips; "Clip 1" ... by default.
    :raises InvalidArgument: no clip, or an option that can't be.
    :raises InvalidClip: a file is no clip.
    """
    options.check()
    if not 0 < len(paths) <= MAX_CLIPS:
        raise InvalidArgument(f"`clips` has {len(paths):,} clips; a film has 1 to {MAX_CLIPS:,}.")
    called = list(names) or [f"Clip {number}" for number in range(1, len(paths) + 1)]
    clips = list(_all_facts(paths, called, options.max_pixels))
    look = _look(clips[0], options)
    overlap = round(options.transition_seconds * look.rate) if options.transition and len(clips) > 1 else 0
    _refuse_short(clips, called, overlap, look)
    why = _why_not_copied(clips, called, look, overlap)
    has_sound = options.music is not None or any(clip.sound for clip in clips)
    why_sound = _why_not_copied_sound(clips, called, options) if has_sound else []
    return Plan(
        clips=clips,
        look=look,
        copies_pictures=not why,
        copies_sound=has_sound and not why and not why_sound,
        has_sound=has_sound,
        overlap=overlap,
        why=(*why, *why_sound),
    )


def _all_facts(paths: Sequence[Path], names: Sequence[str], max_pixels: int) -> Iterator[ClipFacts]:
    """Yield what each clip is; a clip whose index is like that of one before is not opened for it."""
    known: dict[tuple[Any, ...], ClipFacts] = {}
    for path, name in zip(paths, names, strict=True):
        index = read_index(path)
        like = None if index is None else known.get(index.alike)
        if index is not None and like is not None:
            yield replace(like, path=path, seconds=index.seconds)
            continue
        facts = read_facts(path, name, max_pixels=max_pixels)
        # Only if both readers agree on what they can be compared in.
        if index is not None and abs(index.seconds - facts.seconds) < _AGREED:
            known[index.alike] = facts
        yield facts


def _look(first: ClipFacts, options: FilmOptions) -> Look:
    width, height = first.size
    if options.shape is not None:
        shape, short = SHAPES[options.shape], min(width, height)
        width, height = (round(short * shape), short) if shape >= 1 else (short, round(short / shape))
    width, height = (max(2, length - length % 2) for length in (width, height))
    return Look(width, height, first.rate, options.fit)


def _refuse_short(clips: Sequence[ClipFacts], names: Sequence[str], overlap: int, look: Look) -> None:
    """Refuse a clip that is shorter than the transitions at its begin and its end."""
    for number, (clip, name) in enumerate(zip(clips, names, strict=True)):
        fades = (number > 0) + (number < len(clips) - 1)
        needed = fades * float(overlap / look.rate)
        if overlap and clip.seconds < needed + float(1 / look.rate):
            raise InvalidArgument(
                f"{name} lasts {clip.seconds:.2f} s; its transitions alone take {needed:.2f} s.",
                todo="Set a shorter `transition_seconds`, or leave `transition` out.",
            )


def _why_not_copied(clips: Sequence[ClipFacts], names: Sequence[str], look: Look, overlap: int) -> list[str]:
    """Return why pictures have to be encoded; nothing if they can be copied."""
    why = [
        f"{name} differs from the first clip in codec, size, rate, colors or rotation."
        for clip, name in zip(clips, names, strict=True)
        if clip.picture != clips[0].picture
    ]
    if (look.width, look.height) != clips[0].size:
        why.append("The film has another shape than its clips.")
    if clips[0].turn:
        why.append("The clips are rotated.")
    if clips[0].picture[0] not in ("h264", "hevc", "av1"):
        why.append(f"The clips' codec is {clips[0].picture[0]}.")
    return [*why, "Transitions are asked for."] if overlap else why


def _why_not_copied_sound(
    clips: Sequence[ClipFacts], names: Sequence[str], options: FilmOptions
) -> list[str]:
    why = [
        f"{name} has {'other' if clip.sound else 'no'} sound, unlike the first clip."
        for clip, name in zip(clips, names, strict=True)
        if clip.sound != clips[0].sound
    ]
    if clips[0].sound and clips[0].sound[0] != "aac":
        why.append(f"The sound's codec is {clips[0].sound[0]}.")
    if options.music is not None:
        why.append("Music is asked for.")
    if options.loudness is not None:
        why.append("A loudness is asked for.")
    return why


def _one_of(field: str, value: object, words: Sequence[object]) -> None:
    if value not in words:
        known = ", ".join(str(word) for word in words)
        raise InvalidArgument(f"`{field}` is {value!r}; it must be one of {known}.")


def _within(field: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        hint = range_hint(value, least, most)
        raise InvalidArgument(f"`{field}` is {value:g}; it must be from {least:g} to {most:g}.{hint}")


def refuse_own_clip(files: Sequence[Path], target: Path, called: Sequence[str]) -> None:
    """Refuse a film that would replace a clip while the clip is read.

    :raises InvalidArgument: if the film's file is one of the clips, by whatever name.
    """
    for file, name in zip(files, called, strict=False):
        if file.resolve() == target.resolve():
            raise InvalidArgument(
                f"`destination` is {str(target)!r}, which is {name} of the film; name another file."
            )
