"""Renders clips from frames, in a process of its own so that the server's event loop never waits.

Run as `python -m kling_airflow.simulator.media.render`. The process reads one JSON job a line from standard
input, writes one JSON answer a line to standard output, and ends when its input ends.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from array import array
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image

FPS = 24
SAMPLE_RATE = 48_000
ZOOM = 0.10
MORPH_FROM, MORPH_TO = 0.30, 0.92
COMMENT = "Rendered by the kling_airflow simulator from the input frames; no model was asked."


@dataclass(frozen=True, slots=True)
class Job:
    """What to render.

    :param start: the file of the start frame; None is a picture made from `words`.
    :param end: the file of the end frame, or None.
    :param seconds: the length of the clip; the clip has one frame more.
    :param width: pixels, even.
    :param height: pixels, even.
    :param clip: where the MP4 goes.
    :param thumbnail: where the JPEG goes.
    """

    start: str | None
    end: str | None
    seconds: int
    sound: bool
    width: int
    height: int
    words: str
    clip: str
    thumbnail: str

    def to_json(self) -> str:
        """Return the job as one line."""
        return json.dumps(asdict(self))


def size_of(width: int, height: int) -> tuple[int, int]:
    """Return the size of a clip in pixels: the frame's shape, 720 on the short side, even numbers."""
    scale = 720 / min(width, height)
    return round(width * scale / 2) * 2, round(height * scale / 2) * 2


def render(job: Job) -> None:
    """Render one clip and its thumbnail.

    :raises OSError: when a frame can't be decoded.
    """
    import av

    size = (job.width, job.height)
    start = _open(job.start, size) if job.start else _made_up(job.words, size)
    end = _open(job.end, size) if job.end else None
    # Two simulators with one folder may render the same clip at the same time.
    partial = Path(job.clip).with_suffix(f".{os.getpid()}.partial")
    thumbnail = Path(job.thumbnail).with_suffix(f".{os.getpid()}.partial-jpg")
    options = {"movflags": "+faststart"}
    with av.open(str(partial), "w", format="mp4", options=options) as container:
        container.metadata["comment"] = COMMENT
        video: Any = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = job.width, job.height, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, FPS)
        video.options = {"preset": "veryfast", "crf": "19", "bf": "0", "threads": "1"}
        video.codec_context.color_range = 1
        video.codec_context.colorspace = 1
        audio: Any = None
        if job.sound:
            audio = container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
            audio.bit_rate = 128_000
        count = job.seconds * FPS + 1
        for number, image in enumerate(_pictures(start, end, count)):
            picture: Any = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]
            frame = picture.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            for chunk in _chunks(Fraction(count, FPS), job.words):
                container.mux(audio.encode(chunk))
            container.mux(audio.encode(None))
    start.convert("RGB").save(thumbnail, "JPEG", quality=85)
    thumbnail.replace(job.thumbnail)
    partial.replace(job.clip)


def _open(path: str, size: tuple[int, int]) -> Image:
    """Return a frame as displayed, covering the clip's size."""
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        opened.draft("RGB", (size[0] * 2, size[1] * 2))
        upright = ImageOps.exif_transpose(opened)
        if upright.mode in ("RGBA", "LA", "P", "PA"):
            ground = Image.new("RGBA", upright.size, "white")
            upright = Image.alpha_composite(ground, upright.convert("RGBA"))
        return ImageOps.fit(upright.convert("RGB"), size, Image.Resampling.LANCZOS)


def _made_up(words: str, size: tuple[int, int]) -> Image:
    """Return a picture for a clip without frames: two colors that depend on the prompt."""
    from PIL import Image

    digest = hashlib.sha256(words.encode()).digest()
    dark = Image.new("RGB", size, tuple(value // 3 for value in digest[:3]))
    light = Image.new("RGB", size, tuple(128 + value // 2 for value in digest[3:6]))
    shade = Image.radial_gradient("L").resize(size)
    return Image.composite(dark, light, shade)


def _pictures(start: Image, end: Image | None, count: int) -> Iterator[Image]:
    """Yield a clip's pictures, from the start frame to the end frame if the clip has one."""
    from PIL import Image

    veil = _veil(start.size)
    for number in range(count):
        at = number / (count - 1)
        if end is None:
            yield _zoomed(start, at)
            continue
        change = min(1.0, max(0.0, (at - MORPH_FROM) / (MORPH_TO - MORPH_FROM)))
        if change == 0.0:
            yield _zoomed(start, at)
        elif change == 1.0:
            yield _zoomed(end, 1 - at)
        else:
            mask = veil.point(_threshold(change))
            yield Image.composite(_zoomed(end, 1 - at), _zoomed(start, at), mask)


def _zoomed(image: Image, at: float) -> Image:
    """Return the picture zoomed in: not at 0, by `ZOOM` at 1."""
    from PIL import Image

    if at <= 0:
        return image
    eased = at * at * (3 - 2 * at)
    width, height = image.size
    inner = 1 - ZOOM * eased
    left, top = width * (1 - inner) * 0.55, height * (1 - inner) * 0.45
    box = (left, top, left + width * inner, top + height * inner)
    return image.resize(image.size, Image.Resampling.BILINEAR, box=box)


def _veil(size: tuple[int, int]) -> Image:
    """Return a gray noise image: the darker a pixel, the earlier the end frame shows there."""
    from PIL import Image

    cells = (16, 9)
    noise = bytes(hashlib.sha256(f"{n}".encode()).digest()[0] for n in range(cells[0] * cells[1]))
    return Image.frombytes("L", cells, noise).resize(size, Image.Resampling.BICUBIC)


def _threshold(change: float) -> list[int]:
    """Return the lookup table that turns the noise into the mask of the end frame.

    :param change: how much of the end frame shows, 0 to 1.
    """
    edge = 90.0
    front = change * (255 + edge)
    return [round(255 * min(1.0, max(0.0, (front - level) / edge))) for level in range(256)]


def _second_of_sound(words: str) -> tuple[bytes, bytes]:
    """Return one second of a chord, left and right channel, as 32-bit floats. It loops without a click."""
    root = 110 + 10 * (hashlib.sha256(words.encode()).digest()[0] % 8)
    tones = (root, root * 3 // 2, root * 2)
    left, right = array("f"), array("f")
    for sample in range(SAMPLE_RATE):
        at = 2 * math.pi * sample / SAMPLE_RATE
        chord = sum(math.sin(tone * at) for tone in tones) * 0.08
        left.append(chord * (1 + 0.4 * math.sin(at)))
        right.append(chord * (1 + 0.4 * math.cos(at)))
    return left.tobytes(), right.tobytes()


def _chunks(length: Fraction, words: str) -> Iterator[Any]:
    """Yield audio frames of 1024 samples, as AAC wants them, `length` seconds in all."""
    import av

    planes = _second_of_sound(words)
    total = int(length * SAMPLE_RATE)
    for at in range(0, total, 1024):
        samples = min(1024, total - at)
        frame: Any = av.AudioFrame(format="fltp", layout="stereo", samples=samples)
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, at, Fraction(1, SAMPLE_RATE)
        begin = at % SAMPLE_RATE
        for target, plane in zip(frame.planes, planes, strict=True):
            doubled = plane[begin * 4 :] + plane[:4096]
            target.update(doubled[: samples * 4].ljust(target.buffer_size, b"\0"))
        yield frame


def main() -> None:
    """Serve jobs until the input ends."""
    for line in sys.stdin:
        try:
            render(Job(**json.loads(line)))
            answer: dict[str, Any] = {"ok": True, "error": None}
        except Exception as error:
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        try:
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
        except BrokenPipeError:  # the server is gone
            os._exit(0)


if __name__ == "__main__":
    main()
