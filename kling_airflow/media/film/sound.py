"""The sound of a film, clip by clip, each exactly as long as its pictures."""

from __future__ import annotations

from collections.abc import Iterator

from kling_airflow.media.film.facts import ClipFacts
from kling_airflow.media.film.fades import SoundFades, samples_at
from kling_airflow.media.film.mix import Meter, Mixer, gain_to
from kling_airflow.media.film.options import FilmOptions
from kling_airflow.media.film.plan import Plan
from kling_airflow.media.film.samples import clip_samples, silence


class FilmSound:
    """Makes a film's sound while its pictures are made.

    :param plan: of the film.
    :param options: of the film.
    :param gain: dB that everything is raised by.
    """

    def __init__(self, plan: Plan, options: FilmOptions, gain: float = 0.0) -> None:
        self._plan = plan
        self._fades = SoundFades()
        self._shown = 0  # pictures of the film before the current clip
        total = round(plan.seconds * plan.look.rate)
        self._mixer = Mixer(samples_at(total, plan.look.rate), options.music, gain)

    def clip(self, number: int, pictures: int) -> Iterator[bytes]:
        """Yield what is ready once a clip's pictures are made.

        :param number: of the clip, from 0.
        :param pictures: how many it has.
        """
        plan, rate = self._plan, self._plan.look.rate
        is_last = number == len(plan.clips) - 1
        overlap = 0 if is_last else plan.overlap
        begin, end = samples_at(self._shown, rate), samples_at(self._shown + pictures, rate)
        # By the film's own clock, not clip by clip: rounding never adds up.
        held = end - samples_at(self._shown + pictures - overlap, rate)
        self._shown += pictures - overlap
        yield from self._mixer.push(self._fades.clip(_samples(plan.clips[number], end - begin), held))

    def rest(self) -> Iterator[bytes]:
        """Yield what is left when the last clip's pictures are made."""
        yield from self._mixer.rest()


def gain_of(plan: Plan, options: FilmOptions) -> float:
    """Return the dB that bring the film to its loudness: one pass over its sound, no picture is decoded."""
    if options.loudness is None:
        return 0.0
    meter, sound = Meter(), FilmSound(plan, options)
    for number, clip in enumerate(plan.clips):
        meter.push(sound.clip(number, round(clip.seconds * plan.look.rate)))
    meter.push(sound.rest())
    return gain_to(options.loudness, meter.found)


def _samples(clip: ClipFacts, samples: int) -> Iterator[bytes]:
    if clip.sound is None:
        return silence(samples)
    return clip_samples(clip.path, samples, start=clip.start)
