"""What a machine can tell of a take before a person looks: black, frozen, silent, clipped, a false start.

None of it is decided here: a take with problems stays where it is, and is not made again by itself.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidFrame
from kling_airflow.media.clip_reader import opened, pictures, to_image
from kling_airflow.media.clip_sound import SILENCE
from kling_airflow.media.film.samples import decoded
from kling_airflow.media.film.similarity import ssim
from kling_airflow.media.limits import MAX_CLIP_PIXELS

if TYPE_CHECKING:
    from PIL import Image

_WIDTH = 160  # of the pictures that are compared
_DARK = 32  # gray value up to which a pixel is black; FFmpeg's blackdetect takes the same
_BLACK_PART = 0.98  # of the pixels of a black picture
_STILL = (
    0.255  # mean difference of gray values between pictures that are the same: -60 dB, as in freezedetect
)
_FULL = 32_700 / 32_768  # a sample at the end of its scale
_RUN = 3  # samples in a row at the end of the scale are clipped, not just loud


@dataclass(frozen=True, kw_only=True)
class TakeLimits:
    """From when on something is a problem.

    :param black: seconds of black pictures in a row.
    :param frozen: seconds without a change.
    :param clipped: part of the samples, in percent, that are cut off at full scale.
    :param likeness: SSIM of the first picture and the start frame, below which they are unlike.
    """

    black: float = 0.5
    frozen: float = 1.5
    clipped: float = 0.1
    likeness: float = 0.6


@dataclass(frozen=True, kw_only=True)
class TakeReport:
    """What was found.

    :param seconds: how long the take is.
    :param black_seconds: the longest time of black pictures.
    :param frozen_seconds: the longest time without a change.
    :param peak: the largest sample, 0 to 1; None without an audio track.
    :param clipped_percent: of the samples; None without an audio track.
    :param likeness: SSIM of first picture and start frame; None without one.
    :param problems: a sentence each; none for a take that may be looked at.
    """

    seconds: float
    black_seconds: float
    frozen_seconds: float
    peak: float | None
    clipped_percent: float | None
    likeness: float | None
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return what a task hands on."""
        return {**asdict(self), "problems": list(self.problems)}


def check_take(
    path: Path,
    *,
    start_frame: bytes | None = None,
    sound: bool | None = None,
    limits: TakeLimits | None = None,
    max_pixels: int = MAX_CLIP_PIXELS,
) -> TakeReport:
    """Decode a take once, and say what is wrong with it.

    :param path: of an MP4 file.
    :param start_frame: the picture that the take was to begin on; None for none.
    :param sound: whether sound was asked for; False says that silence is right.
    :param limits: from when on something is a problem.
    :param max_pixels: of one picture; larger ones are refused.
    :raises InvalidClip: the file is no clip, or no picture can be decoded.
    :raises InvalidFrame: the start frame is no picture.
    """
    limits = limits or TakeLimits()
    seen = _Seen()
    likeness = None
    with opened(path, max_pixels=max_pixels) as (container, video):
        has_audio = bool(container.streams.audio)
        usual = float(1 / video.average_rate) if video.average_rate else 0.0
        for picture in pictures(container, video):
            if start_frame is not None and likeness is None:
                likeness = round(ssim(to_image(picture, video), _opened(start_frame)), 4)
            height = max(2, round(picture.height * _WIDTH / picture.width))
            gray = picture.reformat(width=_WIDTH, height=height, format="gray").to_image().convert("L")  # type: ignore[no-untyped-call]
            length = (
                float(picture.duration * picture.time_base)
                if picture.duration and picture.time_base
                else usual
            )
            seen.add(gray, length)
    peak, clipped = _heard(path) if has_audio else (None, None)
    report = TakeReport(
        seconds=round(seen.seconds, 3),
        black_seconds=round(seen.longest_black, 3),
        frozen_seconds=round(seen.longest_frozen, 3),
        peak=None if peak is None else round(peak, 4),
        clipped_percent=None if clipped is None else round(clipped, 3),
        likeness=likeness,
        problems=(),
    )
    return TakeReport(**{**asdict(report), "problems": tuple(_problems(report, limits, sound))})


class _Seen:
    """The pictures so far: how long they were black, how long nothing changed."""

    def __init__(self) -> None:
        self.seconds = self.longest_black = self.longest_frozen = 0.0
        self._black = self._frozen = 0.0
        self._before: Image.Image | None = None

    def add(self, gray: Image.Image, length: float) -> None:
        from PIL import ImageChops, ImageStat

        counts = gray.histogram()
        is_black = sum(counts[: _DARK + 1]) >= _BLACK_PART * sum(counts)
        self._black = self._black + length if is_black else 0.0
        is_still = (
            self._before is not None
            and ImageStat.Stat(ImageChops.difference(gray, self._before)).mean[0] <= _STILL
        )
        # The first of pictures that are the same is shown as long as nothing changes, too.
        self._frozen = self._frozen + length if is_still else length
        self._before = gray
        self.seconds += length
        self.longest_black = max(self.longest_black, self._black)
        self.longest_frozen = max(self.longest_frozen, self._frozen)


def _heard(path: Path) -> tuple[float, float]:
    """Return the largest sample, and how many percent of the samples are cut off."""
    peak, clipped, samples = 0.0, 0, 0
    for _, data in decoded(path):
        values = array("f", data)
        if not values:
            continue
        loudest = max(max(values), -min(values))
        peak = max(peak, loudest)
        samples += len(values)
        if loudest >= _FULL:
            clipped += sum(run for side in (0, 1) for run in _runs(values[side::2]) if run >= _RUN)
    return min(peak, 1.0), 100 * clipped / samples if samples else 0.0


def _runs(values: array[float]) -> Iterator[int]:
    """Yield how many samples in a row are at the end of the scale, for each such row."""
    run = 0
    for value in values:
        if value >= _FULL or value <= -_FULL:
            run += 1
        elif run:
            yield run
            run = 0
    if run:
        yield run


def _problems(found: TakeReport, limits: TakeLimits, sound: bool | None) -> Iterator[str]:
    if found.black_seconds >= min(limits.black, found.seconds):
        yield f"The pictures are black for {found.black_seconds:.1f} of {found.seconds:.1f} s."
    if found.frozen_seconds >= min(limits.frozen, found.seconds):
        yield f"Nothing moves for {found.frozen_seconds:.1f} of {found.seconds:.1f} s."
    if sound and found.peak is None:
        yield "There is no audio track; sound was asked for."
    if found.peak is not None and sound is not False and found.peak <= SILENCE / 32_768:
        yield "The sound is silent."
    if found.clipped_percent is not None and found.clipped_percent > limits.clipped:
        yield f"The sound is too loud: {found.clipped_percent:.1f} % of it is cut off at full scale."
    if found.likeness is not None and found.likeness < limits.likeness:
        yield (
            f"The first picture is unlike the start frame: SSIM {found.likeness:.2f}, below"
            f" {limits.likeness:.2f}."
        )


def _opened(data: bytes) -> Image.Image:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise InvalidFrame(f"The start frame can't be read: {type(error).__name__}.") from error
