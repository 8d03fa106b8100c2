"""What can be asked of a film, and what can't: found before a clip is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from kling_airflow.errors import InvalidArgument
from kling_airflow.media.film.fades import TRANSITIONS
from kling_airflow.media.film.mix import Music
from kling_airflow.media.film.picture_filters import FITS
from kling_airflow.media.limits import MAX_CLIP_PIXELS
from kling_airflow.yaml_habits import range_hint

SHAPES = {"16:9": Fraction(16, 9), "9:16": Fraction(9, 16), "1:1": Fraction(1), "4:5": Fraction(4, 5)}
"""The shapes that a film can be made in, width by height."""

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower")
_LONGEST_TRANSITION = 2.0
_LEAST_LOUDNESS, _MOST_LOUDNESS = -70.0, -5.0
_QUIETEST, _LOUDEST = -100.0, 30.0
_LONGEST_FADE = 3_600.0
_MOST_PIXELS = 1 << 30


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
        _within("max_pixels", self.max_pixels, 1, _MOST_PIXELS)
        if self.loudness is not None:
            _within("loudness", self.loudness, _LEAST_LOUDNESS, _MOST_LOUDNESS)
        if self.music is not None:
            _within("music_volume", self.music.volume, _QUIETEST, _LOUDEST)
            _within("fade_out", self.music.fade_out, 0.0, _LONGEST_FADE)
        for title in self.titles:
            if not isinstance(title, str):
                raise InvalidArgument(f"`titles` holds {title!r}; each title must be a text.")


def _one_of(field: str, value: object, words: Sequence[object]) -> None:
    if value not in words:
        known = ", ".join(str(word) for word in words)
        raise InvalidArgument(f"`{field}` is {value!r}; it must be one of {known}.")


def _within(field: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgument(f"`{field}` is {value!r}; it must be a number from {least:g} to {most:g}.")
    if not least <= value <= most:
        hint = range_hint(value, least, most)
        raise InvalidArgument(f"`{field}` is {value:g}; it must be from {least:g} to {most:g}.{hint}")
