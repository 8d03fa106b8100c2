"""Fifty clips of 8 MB, as fifty landings: how fast, beside what must be done of them whatever does it."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.request
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

CLIPS, CLIP_MEGABYTES = int(os.environ.get("BENCH_CLIPS", "50")), 8
SECONDS, FPS, SIZE = 5, 24, (1280, 720)
BLOCK = 1 << 20
PHOTO = Path(__file__).parents[1] / "kling_airflow" / "demo" / "frames" / "rocket.jpg"

Run = Callable[[], None]


def make_real_clip(path: Path) -> None:
    """Write a clip of 5 s whose pictures are 8 MB: a moving photograph with the noise of a camera."""
    import av
    from PIL import Image, ImageChops

    photo = Image.open(PHOTO).convert("RGB").resize((SIZE[0] + 240, SIZE[1] + 240))
    grain = [Image.merge("RGB", [Image.effect_noise(SIZE, 24) for _ in range(3)]) for _ in range(8)]
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.codec_context.bit_rate = round(CLIP_MEGABYTES * 8e6 / SECONDS * 0.75)
        for at in range(SECONDS * FPS):
            part = photo.crop((2 * at, at, 2 * at + SIZE[0], at + SIZE[1]))
            frame = av.VideoFrame.from_image(ImageChops.add(part, grain[at % 8], scale=1, offset=-128))
            frame.pts, frame.time_base = at, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    missing = CLIP_MEGABYTES * 1_000_000 - path.stat().st_size
    if missing < 8:
        raise RuntimeError(f"The clip has {-missing} bytes too many.")
    with path.open("ab") as file:  # a box that players skip, up to the exact size
        file.write(missing.to_bytes(4, "big") + b"free" + os.urandom(missing - 8))


def landings(source: str, destination: str) -> Run:
    """Land each clip with an operator of its own, as fifty tasks do, with all checks and the poster."""
    from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

    def run() -> None:
        for number in range(CLIPS):
            ClipToObjectStorageOperator(
                task_id="land",
                clip={"request_id": f"benchmark-{number}", "video_url": source, "duration": SECONDS},
                destination=f"{destination}/{number}.mp4",
                destination_conn_id="benchmark" if destination.startswith("s3:") else None,
            ).execute({})  # type: ignore[arg-type]

    return run


def copies(source: str, *, decode: bool = False) -> Run:
    """Copy each clip from the source to the local disk, hashing it on the way; then, perhaps, decode it."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            for _ in range(CLIPS):
                copy(source, path)
                if decode:
                    decode_all(path)

    return run


def copies_to_s3(source: str, client: Any, bucket: str) -> Run:
    """Copy each clip, hashing it, to the local disk and from there into S3, one client for all."""

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip.mp4"
            for number in range(CLIPS):
                copy(source, path)
                with path.open("rb") as file:
                    client.put_object(Bucket=bucket, Key=f"copy/{number}.mp4", Body=file)

    return run


def copy(source: str, path: Path) -> str:
    """Copy one clip, and return its hash."""
    digest = hashlib.sha256()
    with urllib.request.urlopen(source, timeout=60) as response, path.open("wb") as sink:
        while block := response.read(BLOCK):
            digest.update(block)
            sink.write(block)
    return digest.hexdigest()


def decode_all(path: Path) -> int:
    """Decode every picture with PyAV and nothing else; return how many there are."""
    import av

    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return sum(1 for _ in container.decode(video=0))
