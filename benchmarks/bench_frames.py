"""Frame preparation: time and memory of each format, ours against plain Pillow and libvips, in one run."""

from __future__ import annotations

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageChops, ImageOps, ImageStat

from benchmarks._table import publish
from kling_airflow.media.frame import prepare_frame

PHOTO = Path(__file__).parents[1] / "kling_airflow" / "demo" / "frames" / "hubble_deep_field.jpg"
SIZE = (6000, 4000)
LARGE = (16320, 12240)
FRAME = (1280, 720)
AIM = 1.2
"""Times that our frame of the 24-megapixel JPEG may take longer than that of libvips."""

FORMATS: dict[str, tuple[tuple[int, int], str, dict[str, object]]] = {
    "JPEG, 24 MP": (SIZE, "JPEG", {"quality": 92}),
    "JPEG, 24 MP, progressive": (SIZE, "JPEG", {"quality": 92, "progressive": True}),
    "JPEG, 200 MP": (LARGE, "JPEG", {"quality": 80}),
    "PNG, 24 MP": (SIZE, "PNG", {"compress_level": 1}),
    "WebP, 24 MP": (SIZE, "WEBP", {"quality": 80, "method": 0}),
    "TIFF, 24 MP, LZW": (SIZE, "TIFF", {"compression": "tiff_lzw"}),
    "AVIF, 24 MP": (SIZE, "AVIF", {"quality": 60, "speed": 10}),
    "HEIC, 24 MP": (SIZE, "HEIF", {"quality": 60}),
}


def photograph(size: tuple[int, int]) -> Image.Image:
    """Return a picture with a sensor's noise, so that it compresses as a real photograph does."""
    with Image.open(PHOTO) as small:
        large = ImageOps.fit(small.convert("RGB"), size, Image.Resampling.BICUBIC)
    if size != SIZE:
        return large
    grain = Image.merge("RGB", [Image.effect_noise(size, 12) for _ in range(3)])
    return ImageChops.add(large, grain, scale=1, offset=-128)


def ours(data: bytes) -> bytes:
    """Make a frame, all checks included."""
    return prepare_frame(data).data


def plain(data: bytes) -> bytes:
    """Make the same frame the usual way: decode all of it, cut, resample, encode."""
    Image.MAX_IMAGE_PIXELS = None
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    frame = ImageOps.fit(upright, FRAME, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    frame.save(buffer, "JPEG", quality=92, subsampling="4:4:4")
    return buffer.getvalue()


def libvips(data: bytes) -> bytes:
    """Make the same frame by libvips, which decodes at a reduced size and streams; half a file passes."""
    return _by_libvips(data, "none")


def strict_libvips(data: bytes) -> bytes:
    """Make the same frame by libvips, which refuses what its decoder warns of."""
    return _by_libvips(data, "warning")


def _by_libvips(data: bytes, fail_on: str) -> bytes:
    import pyvips

    pyvips.cache_set_max(0)
    # As an argument of its own, `fail_on` has no effect here (libvips 8.18): a truncated file passes.
    frame = pyvips.Image.thumbnail_buffer(
        data, FRAME[0], height=FRAME[1], crop="centre", option_string=f"fail_on={fail_on}"
    )
    return bytes(frame.write_to_buffer(".jpg", Q=92, subsample_mode="off"))


VARIANTS: dict[str, Callable[[bytes], bytes]] = {
    "kling_airflow": ours,
    "plain Pillow": plain,
    "libvips": libvips,
    "libvips, strict": strict_libvips,
}


def measure(variant: str, path: Path, rounds: int) -> tuple[float, float, float] | None:
    """Return seconds, CPU seconds and megabytes of one frame, in a process of its own; None if it fails.

    Seconds are medians. Memory is the peak above that of the process with its libraries and the file.
    """
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_frames", "--measure", variant, str(path), str(rounds)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    if result.returncode:
        print(f"{variant}, {path.name}: {result.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    wall, cpu, megabytes = map(float, result.stdout.split())
    return wall, cpu, megabytes


def best_of(path: Path, passes: int, rounds: int) -> dict[str, tuple[float, float, float] | None]:
    """Return what ``measure`` found for each variant: the least time and the most memory of several passes.

    The variants take turns, so that what else runs on the machine disturbs them alike.
    """
    found: dict[str, list[tuple[float, float, float] | None]] = {variant: [] for variant in VARIANTS}
    for _ in range(passes):
        for variant, results in found.items():
            results.append(measure(variant, path, rounds))
    best: dict[str, tuple[float, float, float] | None] = {}
    for variant, results in found.items():
        whole = [result for result in results if result]
        best[variant] = (
            (min(r[0] for r in whole), min(r[1] for r in whole), max(r[2] for r in whole))
            if len(whole) == passes
            else None
        )
    return best


# How a JPEG loses data, and whether that is refused: the variants do work of different worth.
LOSSES: dict[str, Callable[[bytes], bytes]] = {
    "cut at half": lambda data: data[: len(data) // 2],
    "cut at half, end marker added": lambda data: data[: len(data) // 2] + b"\xff\xd9",
    "512 bytes lost within": lambda data: data[: len(data) // 2] + data[len(data) // 2 + 512 :],
    "4 KiB of zeros within": lambda data: (
        data[: len(data) // 2] + bytes(4096) + data[len(data) // 2 + 4096 :]
    ),
}


def refusals(data: bytes) -> Iterator[str]:
    """Say for each variant how many kinds of damage it refuses."""
    for variant, make in VARIANTS.items():
        refused = []
        for loss, damage in LOSSES.items():
            try:
                make(damage(data))
            except Exception:
                refused.append(loss)
        yield f"{variant}: {len(refused)} of {len(LOSSES)}"


def _measure_here(variant: str, path: Path, rounds: int) -> None:
    import av  # noqa: F401 - loaded before the memory is read, as Pillow's and libvips' libraries are
    import pillow_heif
    import pyvips  # noqa: F401

    pillow_heif.register_heif_opener()
    Image.init()
    make, data = VARIANTS[variant], path.read_bytes()
    with Image.open(PHOTO) as small:
        buffer = io.BytesIO()
        small.save(buffer, "JPEG")
    make(buffer.getvalue())  # imports, threads and tables of the libraries
    before, walls, cpus = _peak(), [], []
    for _ in range(rounds):
        began, cpu = time.perf_counter(), time.process_time()
        make(data)
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - cpu)
    print(statistics.median(walls), statistics.median(cpus), _peak() - before)


def _peak() -> float:
    """Return the most memory that this process has had, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--measure", nargs=3, metavar=("VARIANT", "FILE", "ROUNDS"), help=argparse.SUPPRESS)
    parser.add_argument("--only", metavar="TEXT", default="", help="formats whose name holds this text")
    arguments = parser.parse_args()
    if arguments.measure:
        variant, path, rounds = arguments.measure
        _measure_here(variant, Path(path), int(rounds))
        return
    _publish(arguments.passes, arguments.rounds, arguments.only)


def _publish(passes: int, rounds: int, only: str) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    rows: list[tuple[object, ...]] = []
    ratios: list[float] = []
    difference, refused = 0.0, ""
    with tempfile.TemporaryDirectory() as folder:
        for name, (size, kind, options) in FORMATS.items():
            if only not in name:
                continue
            path = Path(folder, kind.lower())
            photograph(size).save(path, kind, **options)
            found = best_of(path, passes, rounds)
            for variant, numbers in found.items():
                wall, cpu, memory = numbers or (None, None, None)
                fast = found["libvips"]
                times = wall / fast[0] if wall and fast else None
                milliseconds = [value * 1000 if value else None for value in (wall, cpu)]
                rows.append((name, variant, *milliseconds, times, memory))
                print(*rows[-1], file=sys.stderr, flush=True)  # a whole run takes minutes
            if name == "JPEG, 24 MP":
                ratios = _ratios(found)
                difference = _difference(path.read_bytes())
                refused = "; ".join(refusals(path.read_bytes()))
    notes = [
        f"The least of {passes} passes in which the variants take turns; a pass is the median of {rounds}",
        "rounds in a process of its own. Ours decodes a JPEG twice at the same time, by libjpeg for the",
        "pixels and by FFmpeg for the check, which doubles the CPU time.",
        "`libvips, strict` refuses what libjpeg warns of: data that are missing, not data that are wrong.",
    ]
    if ratios:
        notes += [
            f"24 MP JPEG: {ratios[0]:.2f} times libvips, {ratios[1]:.2f} times strict libvips; aim: {AIM}.",
            f"CPU: {ratios[2]:.2f} times libvips.",
            f"Kinds of damage that are refused by {refused}.",
            f"Ours differs from plain Pillow by {difference:.2f} of 255 a channel on average.",
        ]
    publish(
        "frames",
        f"A frame of {FRAME[0]} x {FRAME[1]}: time and memory by format",
        ("picture", "by", "ms", "CPU ms", "x libvips", "MB"),
        rows,
        notes=notes,
    )


def _ratios(found: dict[str, tuple[float, float, float] | None]) -> list[float]:
    """Return our time in times of libvips and of strict libvips, and our CPU time in times of libvips."""
    mine, plain_vips, strict = found["kling_airflow"], found["libvips"], found["libvips, strict"]
    if not (mine and plain_vips and strict):
        return []
    return [mine[0] / plain_vips[0], mine[0] / strict[0], mine[1] / plain_vips[1]]


def _difference(data: bytes) -> float:
    """Return how far our pixels are from those of the full decode, on average."""
    with Image.open(io.BytesIO(ours(data))) as a, Image.open(io.BytesIO(plain(data))) as b:
        return statistics.fmean(ImageStat.Stat(ImageChops.difference(a, b)).mean)


if __name__ == "__main__":
    main()
