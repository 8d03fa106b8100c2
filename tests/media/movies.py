"""Clips for the tests, encoded here."""

from __future__ import annotations

import math
import struct
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
    sound_seconds: float | None = None,
    amplitude: int = 12000,
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
            for packet in _tone(audio, frames / 24 if sound_seconds is None else sound_seconds, amplitude):
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


def _tone(stream: av.AudioStream, seconds: float, amplitude: int) -> list[av.Packet]:
    packets = []
    for start in range(0, int(seconds * 44100), 1024):
        samples = b"".join(
            int(amplitude * math.sin((start + at) * 0.06)).to_bytes(2, "little", signed=True)
            for at in range(1024)
        )
        frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
        frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
        frame.planes[0].update(samples)
        packets += stream.encode(frame)
    return packets + stream.encode()


def write_pictures(
    path: Path,
    pictures: Sequence[Image.Image],
    *,
    times: Sequence[int] | None = None,
    last_duration: int | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    colorspace: int | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A clip of these pictures at 24 a second, with nothing added that isn't asked for.

    :param times: when each picture begins, in 24ths of a second; by default one after the other.
    :param last_duration: how long the last picture is shown, in 24ths of a second.
    :param colorspace: the matrix to convert with (1 BT.709, 5 BT.601); None as PyAV does it.
    """
    packets: list[av.Packet] = []
    with av.open(str(path), "w", format="mp4", options=container_options or {}) as container:
        settings = {"preset": "ultrafast", "crf": "8", "bf": "0"} if codec == "libx264" else {}
        video = container.add_stream(codec, rate=24, options=settings | (options or {}))
        video.width, video.height, video.pix_fmt = *pictures[0].size, pixels
        for at, image in enumerate(pictures):
            frame = av.VideoFrame.from_image(image)
            if colorspace is not None:
                frame = frame.reformat(format=pixels, dst_colorspace=colorspace)
                frame.colorspace = 2  # unspecified, as many encoders leave it
            frame.pts, frame.time_base = at if times is None else times[at], Fraction(1, 24)
            packets += video.encode(frame)
        packets += video.encode()
        if last_duration is not None:
            packets[-1].duration = last_duration
        for packet in packets:
            container.mux(packet)
    return path


def turned(data: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """The clip with another display matrix (a, b, c, d) in its video track's header."""
    changed = bytearray(data)
    start = changed.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in matrix)
    changed[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    return bytes(changed)


def without_durations(data: bytes) -> bytes:
    """The clip with duration 0 in the headers of the movie, its track and its media."""
    changed = bytearray(data)
    for tag, offset in ((b"mvhd", 20), (b"tkhd", 24), (b"mdhd", 20)):
        at = changed.index(tag)
        changed[at + offset : at + offset + 4] = bytes(4)
    return bytes(changed)
