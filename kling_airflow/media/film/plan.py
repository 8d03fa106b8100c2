"""What a film is to be, and how it is made: what can be copied is copied, the rest is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.film.facts import ClipFacts, read_facts
from kling_airflow.media.film.mix import refuse_silent
from kling_airflow.media.film.mp4_index import read_index
from kling_airflow.media.film.options import SHAPES, FilmOptions
from kling_airflow.media.film.picture_filters import Look

MAX_CLIPS = 1_000
_AGREED = 1e-4  # seconds
_SLOWEST = 20  # pictures per second that look like motion

Progress = Callable[[float, float], None]
"""Is told how many seconds of the film are made, and how many there will be."""


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
    for called, texts in (("names", names), ("titles", options.titles)):
        if texts and len(texts) != len(paths):
            raise InvalidArgument(f"`{called}` has {len(texts):,} entries for {len(paths):,} clips.")
    if options.music is not None:
        refuse_silent(options.music.path)
    labels = list(names) or [f"Clip {number}" for number in range(1, len(paths) + 1)]
    clips = list(_all_facts(paths, labels, options.max_pixels))
    look = _look(clips, options)
    overlap = round(options.transition_seconds * look.rate) if options.transition and len(clips) > 1 else 0
    _refuse_short(clips, labels, overlap, look)
    why = _why_not_copied(clips, labels, look, overlap)
    has_sound = options.music is not None or any(clip.sound for clip in clips)
    why_sound = _why_not_copied_sound(clips, labels, options) if has_sound else []
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


def _look(clips: Sequence[ClipFacts], options: FilmOptions) -> Look:
    width, height = clips[0].size
    if options.shape is not None:
        shape, short = SHAPES[options.shape], min(width, height)
        width, height = (round(short * shape), short) if shape >= 1 else (short, round(short / shape))
    width, height = (max(2, length - length % 2) for length in (width, height))
    return Look(width, height, _rate(clips), options.fit)


def _rate(clips: Sequence[ClipFacts]) -> Fraction:
    """Return the rate that most seconds of the film have, the higher one of two.

    A slow clip, such as a slide of one picture a second, sets the rate only if all are slow.
    """
    lasting: dict[Fraction, float] = {}
    for clip in clips:
        lasting[clip.rate] = lasting.get(clip.rate, 0.0) + clip.seconds
    moving = [rate for rate in lasting if rate >= _SLOWEST] or [max(lasting)]
    return max(moving, key=lambda rate: (round(lasting[rate], 3), rate))


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


def check_target(target: Path) -> None:
    """Refuse a place where no film can be made, before a clip is read.

    :raises InvalidArgument: naming what stands in the way.
    """
    if target.is_dir():
        raise InvalidArgument(f"`destination` is {str(target)!r}, which is a folder; name a file in it.")
    if not target.parent.is_dir():
        raise InvalidArgument(
            f"`destination` is {str(target)!r}; the folder {str(target.parent)!r} does not exist."
        )


def refuse_own_clip(files: Sequence[Path], target: Path, called: Sequence[str]) -> None:
    """Refuse a film that would replace a clip while the clip is read.

    :raises InvalidArgument: if the film's file is one of the clips, by whatever name.
    """
    for file, name in zip(files, called, strict=False):
        if file.resolve() == target.resolve():
            raise InvalidArgument(
                f"`destination` is {str(target)!r}, which is {name} of the film; name another file."
            )
