"""Frame preparation: images per second for a 24-megapixel JPEG, ours against plain Pillow."""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageChops, ImageOps, ImageStat

from benchmarks._table import publish
from kling_airflow.media.frame import prepare_frame

PHOTO = Path(__file__).parents[1] / "kling_airflow" / "demo" / "frames" / "hubble_deep_field.jpg"
SIZE = (6000, 4000)
FRAME = (1280, 720)


def photograph() -> bytes:
    """Return 24 megapixels with a sensor's noise, so that they compress as a real photograph does."""
    with Image.open(PHOTO) as small:
        large = ImageOps.fit(small.convert("RGB"), SIZE, Image.Resampling.BICUBIC)
    grain = Image.merge("RGB", [Image.effect_noise(SIZE, 12) for _ in range(3)])
    buffer = io.BytesIO()
    ImageChops.add(large, grain, scale=1, offset=-128).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def ours(data: bytes) -> bytes:
    """Make a frame, all checks included."""
    return prepare_frame(data).data


def plain(data: bytes) -> bytes:
    """Make the same picture the usual way: decode all of it, cut, resample, encode."""
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return encoded(ImageOps.fit(upright, FRAME, Image.Resampling.LANCZOS))


def decode_only(data: bytes) -> bytes:
    """Decode as small as may be and stop there: no crop, no resampling, no encoding."""
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (FRAME[0] * 2, FRAME[1] * 2))
        image.load()
    return b""


def encoded(image: Image.Image) -> bytes:
    """Return it as JPEG, with the settings that ours has."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92, subsampling="4:4:4")
    return buffer.getvalue()


VARIANTS: dict[str, Callable[[bytes], bytes]] = {
    "kling_airflow: prepare_frame": ours,
    "plain Pillow, no draft": plain,
    "floor: Pillow decodes at half size, nothing else": decode_only,
}


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    data = photograph()
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(rounds):  # in turns, so that a busy moment of the machine meets all of them
        for name, variant in VARIANTS.items():
            began = time.perf_counter()
            variant(data)
            times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    slowest = medians["plain Pillow, no draft"]
    rows = [
        (name, round(1 / taken, 2), round(taken * 1000, 1), round(slowest / taken, 2))
        for name, taken in medians.items()
    ]
    publish(
        "frames",
        f"A frame of {FRAME[0]} x {FRAME[1]} from a JPEG of {SIZE[0]} x {SIZE[1]} ({len(data) / 1e6:.1f} MB)",
        ("variant", "images/s", "ms/image", "x plain"),
        rows,
        notes=[
            f"Median of {rounds} rounds, one thread, bytes to bytes.",
            f"Ours differs from plain Pillow by {difference(data):.2f} of 255 a channel on average.",
        ],
    )


def difference(data: bytes) -> float:
    """Return how far our pixels are from those of the full decode, on average."""
    with Image.open(io.BytesIO(ours(data))) as a, Image.open(io.BytesIO(plain(data))) as b:
        return statistics.fmean(ImageStat.Stat(ImageChops.difference(a, b)).mean)


if __name__ == "__main__":
    main()
