"""Clips with a flash and a beep at the same moment, and what a film's reader finds of them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageStat

from kling_airflow.media.film.samples import RATE, decoded

SIZE = (64, 48)
BEEP = 0.05  # seconds


def clap(
    path: Path,
    *,
    frames: int = 24,
    at: int = 8,
    size: tuple[int, int] = SIZE,
    rate: int = 24,
    sound: int | None = 48_000,
    layout: str = "stereo",
    sound_seconds: float | None = None,
    color: tuple[int, int, int] = (40, 40, 40),
    options: dict[str, str] | None = None,
    codec: str = "libx264",
) -> Path:
    """A dark clip with one white picture, and a beep that begins with it.

    :param sound: samples a second; None for no audio track.
    :param sound_seconds: how long the sound is; by default as long as the pictures.
    """
    with av.open(str(path), "w", format="mp4") as container:
        settings = {"preset": "ultrafast", "crf": "12", "g": "12"} if codec == "libx264" else {}
        video = container.add_stream(codec, rate=rate, options=settings | (options or {}))
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("aac", rate=sound, layout=layout) if sound else None
        for number in range(frames):
            image = Image.new("RGB", size, (255, 255, 255) if number == at else color)
            for packet in video.encode(av.VideoFrame.from_image(image)):
                container.mux(packet)
        container.mux(video.encode())
        if audio is not None and sound:
            seconds = frames / rate if sound_seconds is None else sound_seconds
            for frame in beep(at / rate, seconds, sound, layout):
                container.mux(audio.encode(frame))
            container.mux(audio.encode())
    return path


def beep(at: float, seconds: float, rate: int, layout: str = "stereo") -> Sequence[av.AudioFrame]:
    """Silence with a beep in it; only silence if ``at`` is below 0."""
    channels = 2 if layout == "stereo" else 1
    begin, end = round(at * rate), round((at + BEEP) * rate)
    values = array("h")
    for number in range(round(seconds * rate)):
        loud = at >= 0 and begin <= number < end
        value = round(12_000 * math.cos((number - begin) * 2 * math.pi * 1000 / rate)) if loud else 0
        values.extend([value] * channels)
    made = []
    for start in range(0, len(values) // channels, 1024):
        part = values[start * channels : (start + 1024) * channels]
        frame = av.AudioFrame(format="s16", layout=layout, samples=len(part) // channels)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        frame.planes[0].update(part.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        made.append(frame)
    return made


def flashes(path: Path) -> list[float]:
    """When the white pictures are shown."""
    with av.open(str(path)) as container:
        return [frame.time or 0.0 for frame in container.decode(video=0) if brightness(frame) > 100]


def beeps(path: Path, *, by_count: bool = False) -> list[float]:
    """When the beeps begin.

    :param by_count: as a player hears them that plays sample after sample and ignores the packets' times.
    """
    found: list[float] = []
    quiet, position = 0, 0
    for begins, data in decoded(path):
        values = array("f", data)
        for number in range(0, len(values), 2):
            if abs(values[number]) > 0.08:
                if quiet > RATE // 10 or not found:
                    where = position + number // 2
                    found.append(where / RATE if by_count else begins + number / 2 / RATE)
                quiet = 0
            else:
                quiet += 1
        position += len(values) // 2
    return found


def gray(path: Path) -> list[float]:
    """The mean of each picture's gray values."""
    with av.open(str(path)) as container:
        return [brightness(frame) for frame in container.decode(video=0)]


def brightness(frame: av.VideoFrame) -> float:
    """The mean of a picture's gray values."""
    return ImageStat.Stat(frame.to_image().convert("L")).mean[0]
