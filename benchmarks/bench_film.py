"""Joining 20 clips of 5 s against Debian's ffmpeg; a last frame against decoding everything."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from PIL import Image, ImageChops

from benchmarks._table import publish
from kling_airflow.media.clip_reader import opened, pictures, to_image
from kling_airflow.media.film.frames import last_frame, to_png
from kling_airflow.media.film.join import FilmOptions, join
from kling_airflow.media.film.samples import RATE, to_frames

PHOTO = Path(__file__).parents[1] / "kling_airflow" / "demo" / "frames" / "rocket.jpg"
SIZE = (1280, 720)
SECONDS, FPS = 5, 24
COPY_AIM, ENCODE_AIM = 1.5, 1.1
PRESET, CRF = "veryfast", 20

MEASURE = """
import sys
from pathlib import Path
from kling_airflow.media.film.join import FilmOptions, join
count, target, shape = int(sys.argv[2]), sys.argv[3], sys.argv[4] or None
options = FilmOptions(preset="{preset}", crf={crf}, shape=shape)
import av, kling_airflow.media.film.join
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
before = peak()
join([sys.argv[1]] * count, target, options)
print(peak() - before)
"""


def make_clip(path: Path, size: tuple[int, int] = SIZE, key_frames: int = 250) -> Path:
    """Write a clip of a photograph that moves, with the noise of a camera, and with a tone."""
    photo = Image.open(PHOTO).convert("RGB").resize((size[0] + 240, size[1] + 240))
    noise = Image.merge("RGB", [Image.effect_noise(photo.size, 8) for _ in range(3)])
    photo = ImageChops.add(photo, noise, scale=1, offset=-128)
    with av.open(str(path), "w", format="mp4") as container:
        settings = {"preset": "veryfast", "crf": "20", "g": str(key_frames)}
        video = container.add_stream("libx264", rate=FPS, options=settings)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="stereo")
        for at in range(SECONDS * FPS):
            part = photo.crop((2 * at, at, 2 * at + size[0], at + size[1]))
            frame = av.VideoFrame.from_image(part)
            frame.pts, frame.time_base = at, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for sound in to_frames(_noise()):
            container.mux(audio.encode(sound))
        container.mux(audio.encode())
    return path


def _noise() -> Iterator[bytes]:
    """Yield quiet noise, which no encoder can leave out."""
    import random
    from array import array

    values = random.Random(1)
    for _ in range(SECONDS):
        yield array("f", (values.uniform(-0.1, 0.1) for _ in range(2 * RATE))).tobytes()


def by_ffmpeg(clips: Sequence[Path], target: Path, *, encode: bool) -> None:
    """Join with Debian's ffmpeg: its concat demuxer to copy, its concat filter to encode."""
    start = ["ffmpeg", "-v", "error", "-y"]
    if encode:
        inputs = [word for clip in clips for word in ("-i", str(clip))]
        size = f"scale={SIZE[0]}:{SIZE[1]}:force_original_aspect_ratio=decrease,pad={SIZE[0]}:{SIZE[1]}:-1:-1"
        each = "".join(f"[{at}:v]{size},setsar=1,fps={FPS}[v{at}];" for at in range(len(clips)))
        order = "".join(f"[v{at}][{at}:a]" for at in range(len(clips)))
        graph = f"{each}{order}concat=n={len(clips)}:v=1:a=1[v][a]"
        made = ["-filter_complex", graph, "-map", "[v]", "-map", "[a]", "-c:v", "libx264"]
        made += ["-preset", PRESET, "-crf", str(CRF), "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "192k"]
    else:
        names = target.with_suffix(".txt")
        names.write_text("".join(f"file '{clip}'\n" for clip in clips))
        inputs, made = ["-f", "concat", "-safe", "0", "-i", str(names)], ["-c", "copy"]
    subprocess.run([*start, *inputs, *made, "-movflags", "+faststart", str(target)], check=True)


def by_decoding_everything(path: Path) -> bytes:
    """Return the last frame the usual way."""
    with opened(path) as (container, video):
        *_, last = pictures(container, video)
        return to_png(to_image(last, video))


Times = tuple[float, float]
"""Seconds by the clock, and of the CPU, that of children included."""


def fastest(sides: Sequence[Callable[[], object]], rounds: int) -> list[Times]:
    """Run each side in turns, so often; return the shortest times of each.

    On a machine that does other work, the shortest time is the one that the other work has lengthened least.
    """
    found: list[list[Times]] = [[] for _ in sides]
    for _ in range(rounds):
        for times, run in zip(found, sides, strict=True):
            began, cpu = time.perf_counter(), _cpu()
            run()
            times.append((time.perf_counter() - began, _cpu() - cpu))
    return [(min(wall for wall, _ in times), min(cpu for _, cpu in times)) for times in found]


def _cpu() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def row(label: str, ours: Times, theirs: Times | None, grown: float | None) -> tuple[object, ...]:
    """Return a row of the table: wall and CPU time of ours and of the other way, and their ratios."""
    cells: list[object] = [label]
    for at in (0, 1):
        other = theirs[at] if theirs else None
        cells += [ours[at] * 1000, other and other * 1000, other and ours[at] / other]
    return (*cells, grown)


def memory(clip: Path, count: int, target: Path, shape: str) -> float:
    """Return how many megabytes joining takes above the imports, in a process of its own."""
    code = MEASURE.format(preset=PRESET, crf=CRF)
    command = [sys.executable, "-c", code, str(clip), str(count), str(target), shape]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=9, help="the two sides in turns; a third when encoding")
    parser.add_argument("--skip-encode", action="store_true", help="leave out the film that is encoded")
    arguments = parser.parse_args()
    has_ffmpeg = shutil.which("ffmpeg") is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip, small = make_clip(folder / "clip.mp4"), make_clip(folder / "small.mp4", (960, 720))
        clips = []
        for number in range(arguments.clips):
            clips.append(folder / f"{number}.mp4")
            clips[-1].write_bytes(clip.read_bytes())
        mixed = [small if number % 4 == 1 else path for number, path in enumerate(clips)]
        target, options = folder / "film.mp4", FilmOptions(preset=PRESET, crf=CRF)
        rows: list[tuple[object, ...]] = []
        for label, parts, encode in (("alike, copied", clips, False), ("mixed, encoded", mixed, True)):
            if encode and arguments.skip_encode:
                continue
            sides: list[Callable[[], object]] = [lambda parts=parts: join(parts, target, options)]
            if has_ffmpeg:
                sides.append(lambda parts=parts, encode=encode: by_ffmpeg(parts, target, encode=encode))
            ours, *theirs = fastest(sides, max(1, arguments.rounds // 3) if encode else arguments.rounds)
            grown = memory(clip, arguments.clips, target, "1:1" if encode else "16:9")
            rows.append(row(label, ours, theirs[0] if theirs else None, grown))
            print(*rows[-1], file=sys.stderr, flush=True)
        keyed = make_clip(folder / "keyed.mp4", key_frames=FPS)
        for label, path in (("one key frame", clip), ("a key frame a second", keyed)):
            exact, every = fastest(
                [lambda path=path: last_frame(path), lambda path=path: by_decoding_everything(path)],
                arguments.rounds,
            )
            rows.append(row(f"last frame, {label}", exact, every, None))
            assert last_frame(path) == by_decoding_everything(path)
    publish(
        "film",
        f"{arguments.clips} clips of {SECONDS} s, {SIZE[0]} x {SIZE[1]}: joined by us and by Debian's ffmpeg",
        ("what", "ms", "other", "x", "CPU ms", "other CPU", "x CPU", "MB above imports"),
        rows,
        notes=[
            "Other: Debian's ffmpeg for films (none if it isn't installed); decoding everything for a frame.",
            f"Aims: copied within {COPY_AIM} times, encoded within {ENCODE_AIM} times ffmpeg.",
            f"The shortest of {arguments.rounds} rounds in turns; load at the end: {os.getloadavg()[0]:.1f}.",
            f"Encoded with x264's preset {PRESET}, crf {CRF}. Every fourth mixed clip has another size.",
        ],
    )


if __name__ == "__main__":
    main()
