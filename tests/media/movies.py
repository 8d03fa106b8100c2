"""Clips for the tests, encoded here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image


def write_clip(
    path: Path,
    *,
    frames: int = 121,
    size: tuple[int, int] = (320, 180),
    sound: bool = False,
    blank: int = 0,
    faststart: bool = True,
    pictures: Sequence[Image.Image] = (),
) -> Path:
    """A clip at 24 frames a second that goes from red to blue; the first ``blank`` pictures are black.

    Or else of these ``pictures``.
    """
    pictures = pictures or [picture(at, frames, size, blank) for at in range(frames)]
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", format="mp4", options=options) as container:
        video = container.add_stream("libx264", rate=24, options={"crf": "30", "preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        for image in pictures:
            for packet in video.encode(av.VideoFrame.from_image(image)):
                container.mux(packet)
        container.mux(video.encode())
        if audio is not None:
            for packet in _tone(audio, frames / 24):
                container.mux(packet)
    return path


def picture(at: int, frames: int, size: tuple[int, int], blank: int = 0) -> Image.Image:
    if at < blank:
        return Image.new("RGB", size)
    done = at / max(1, frames - 1)
    color = (round(230 * (1 - done)) + 10, 40, round(230 * done) + 10)
    image = Image.new("RGB", size, (250, 250, 250))
    image.paste(color, (size[0] // 4, 0, size[0], size[1]))
    return image


def _tone(stream: av.AudioStream, seconds: float) -> list[av.Packet]:
    packets = []
    for start in range(0, int(seconds * 44100), 1024):
        samples = b"".join(
            int(12000 * math.sin((start + at) * 0.06)).to_bytes(2, "little", signed=True)
            for at in range(1024)
        )
        frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
        frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
        frame.planes[0].update(samples)
        packets += stream.encode(frame)
    return packets + stream.encode()
