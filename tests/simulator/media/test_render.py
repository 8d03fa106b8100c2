"""A clip shows the frames it was made of."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import math
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import requests
from PIL import Image, ImageChops, ImageDraw, ImageOps, ImageStat

from kling_airflow.simulator import Simulator
from kling_airflow.simulator.media.frames import check
from kling_airflow.simulator.media.render import Job, render, size_of
from kling_airflow.simulator.media.render_pool import RenderPool, Scene
from tests.simulator.client import Queue, picture

SAME, DIFFERENT = 5.0, 25.0
"""Mean error of a channel, of 255. Below SAME two pictures look the same, above DIFFERENT they do not."""


def scene(width: int, height: int, turn: int) -> Image.Image:
    """A picture with edges, shades and colors; each `turn` has another picture."""
    shade = Image.radial_gradient("L").resize((width, height))
    picture = ImageOps.colorize(shade, *[("navy", "gold"), ("maroon", "palegreen")][turn])
    draw = ImageDraw.Draw(picture)
    for n in range(6):
        left, top = width * n // 7, height * ((n * 3 + turn) % 5) // 6
        draw.ellipse(
            (left, top, left + width // 6, top + height // 4), fill=("white", "black", "teal")[n % 3]
        )
    return picture


def encoded(picture: Image.Image, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    return base64.b64encode(buffer.getvalue()).decode()


def pictures(clip: bytes) -> list[Image.Image]:
    with av.open(io.BytesIO(clip), "r") as container:
        return [frame.to_image() for frame in container.decode(video=0)]  # type: ignore[no-untyped-call]


def error(one: Image.Image, other: Image.Image) -> float:
    assert one.size == other.size
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


@pytest.fixture(scope="module")
def queue() -> Iterator[Queue]:
    with Simulator(speed=1000, render="full", submit_seconds=0) as simulator:
        yield Queue(simulator.base_url, simulator.api_key)


@pytest.fixture(scope="module")
def payload() -> dict[str, str]:
    frames = [encoded(scene(1280, 720, turn)) for turn in (0, 1)]
    return {"image": frames[0], "image_tail": frames[1], "sound": "on", "duration": "3"}


@pytest.fixture(scope="module")
def record(queue: Queue, payload: dict[str, str]) -> dict[str, Any]:
    """A generation from start to end frame, with sound."""
    record = queue.finished(queue.submit(**payload), within=60)
    assert record["status"] == "success", record
    return record


@pytest.fixture(scope="module")
def clip(queue: Queue, record: dict[str, Any]) -> bytes:
    return queue.clip(record).content


def rendered(folder: Path, picture: Image.Image | None, *, size: tuple[int, int], **options: Any) -> bytes:
    """A small clip, made in this process."""
    start = folder / "start.png"
    if picture is not None:
        picture.save(start, exif=options.pop("exif", Image.Exif()))
    job = Job(
        start=str(start) if picture else None,
        end=None,
        seconds=3,
        sound=False,
        width=size[0],
        height=size[1],
        words=options.pop("words", ""),
        clip=str(folder / "clip.mp4"),
        thumbnail=str(folder / "clip.jpg"),
    )
    render(job)
    return (folder / "clip.mp4").read_bytes()


def test_start_frame_becomes_the_end_frame(clip: bytes) -> None:
    start, end = scene(1280, 720, 0), scene(1280, 720, 1)
    shown = pictures(clip)
    assert len(shown) == 73
    assert error(shown[0], start) < SAME
    assert error(shown[-1], end) < SAME
    assert error(shown[0], end) > DIFFERENT
    assert error(shown[-1], start) > DIFFERENT
    away = [error(picture, start) for picture in shown[::12]]
    assert away == sorted(away), "it turns steadily into the end frame"
    steps = [error(one, other) for one, other in itertools.pairwise(shown)]
    assert max(steps) < 10, "without a cut"


def test_clip_is_made_for_the_web(clip: bytes) -> None:
    assert clip.index(b"moov") < clip.index(b"mdat"), "faststart"
    with av.open(io.BytesIO(clip), "r") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.frames) == (1280, 720, 73)
        assert audio.codec_context.name == "aac"
        assert audio.duration is not None
        assert audio.time_base is not None
        assert abs(float(audio.duration * audio.time_base) - 73 / 24) < 0.05
        samples = array("f")
        for frame in container.decode(audio=0):
            samples.frombytes(bytes(frame.planes[0])[: frame.samples * 4])
    loudness = math.sqrt(sum(sample * sample for sample in samples) / len(samples))
    assert 0.03 < loudness < 0.5, "it can be heard"
    clicks = max(abs(one - two) for one, two in itertools.pairwise(samples))
    assert clicks < 0.05, "and it does not click"


def test_thumbnail_shows_the_start_frame(record: dict[str, Any]) -> None:
    answer = requests.get(record["outcome"]["thumbnail_image_url"], timeout=5)
    assert error(Image.open(io.BytesIO(answer.content)), scene(1280, 720, 0)) < SAME


def test_same_frames_are_rendered_once(queue: Queue, payload: dict[str, str], clip: bytes) -> None:
    begin = time.monotonic()
    again = queue.finished(queue.submit(**payload))
    assert queue.clip(again).content == clip
    assert time.monotonic() - begin < 1


def test_start_frame_is_zoomed_slowly(tmp_path: Path) -> None:
    start = scene(640, 360, 0)
    shown = pictures(rendered(tmp_path, start, size=(640, 360)))
    assert error(shown[0], start) < SAME
    assert SAME < error(shown[-1], start) < DIFFERENT


def test_silent_clip_has_no_audio(tmp_path: Path) -> None:
    with av.open(io.BytesIO(rendered(tmp_path, scene(320, 180, 0), size=(320, 180)))) as container:
        assert not container.streams.audio


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ((640, 427), (1080, 720)),
        ((300, 750), (720, 1800)),
        ((1920, 1080), (1280, 720)),
        ((333, 333), (720, 720)),
    ],
)
def test_size_follows_the_frame(given: tuple[int, int], made: tuple[int, int]) -> None:
    assert size_of(*given) == made


def test_frame_is_shown_upright(tmp_path: Path) -> None:
    """The clip's shape and its picture follow the EXIF orientation of the frame."""
    upright = scene(360, 640, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    buffer = io.BytesIO()
    lying.save(buffer, "JPEG", exif=exif)
    frame = check(buffer.getvalue())
    assert (frame.width, frame.height) == (360, 640)
    shown = pictures(rendered(tmp_path, lying, size=(360, 640), exif=exif))
    assert error(shown[0], upright) < SAME


@pytest.mark.parametrize("color", [(200, 30, 40), (30, 180, 60), (40, 60, 210)])
def test_colors_are_those_of_the_frame(tmp_path: Path, color: tuple[int, int, int]) -> None:
    shown = pictures(rendered(tmp_path, Image.new("RGB", (320, 180), color), size=(320, 180)))
    mean = ImageStat.Stat(shown[0]).mean
    assert max(abs(got - wanted) for got, wanted in zip(mean, color, strict=True)) < 4


def test_clips_are_kept_by_everything_that_shows_in_them(tmp_path: Path) -> None:
    pool = RenderPool(1, fast=False, folder=tmp_path)
    frame, other = (check(picture(color=color)) for color in ("red", "blue"))
    scenes = [
        Scene(frame, None, 5, False, "words"),
        Scene(other, None, 5, False, "words"),
        Scene(frame, other, 5, False, "words"),
        Scene(other, frame, 5, False, "words"),
        Scene(frame, None, 6, False, "words"),
        Scene(frame, None, 5, True, "words"),
        Scene(None, None, 5, False, "words"),
        Scene(None, None, 5, False, "other words"),
        Scene(None, None, 5, False, "words", "1:1"),
    ]
    assert len({pool.key_of(scene) for scene in scenes}) == len(scenes)
    assert pool.key_of(scenes[0]) == pool.key_of(Scene(check(frame.data), None, 5, False, "words"))
    pool.close()


def test_transparent_frame_stands_on_white(tmp_path: Path) -> None:
    shown = pictures(rendered(tmp_path, Image.new("RGBA", (320, 320), (255, 0, 0, 0)), size=(320, 320)))
    assert min(ImageStat.Stat(shown[0]).mean) > 245


@pytest.mark.parametrize(
    ("shape", "size"), [("16:9", (1280, 720)), ("9:16", (720, 1280)), ("1:1", (720, 720))]
)
def test_clip_without_frames_has_the_shape_asked_for(shape: str, size: tuple[int, int]) -> None:
    assert Scene(None, None, 5, False, "words", shape).size == size


def test_each_prompt_without_frames_makes_another_picture(tmp_path: Path) -> None:
    one = pictures(rendered(tmp_path, None, size=(320, 180), words="dusk"))
    other = pictures(rendered(tmp_path, None, size=(320, 180), words="dawn"))
    assert error(one[0], other[0]) > SAME


def test_two_pools_with_one_folder_render_the_same_clip(tmp_path: Path) -> None:
    """Each renderer writes a file of its own, so neither pool reads half of the other's clip."""
    frame = check(picture())

    async def clips() -> list[bytes]:
        pools = [RenderPool(1, fast=False, folder=tmp_path) for _ in range(2)]
        made = await asyncio.gather(*(pool.render(Scene(frame, None, 3, False, "words")) for pool in pools))
        data = [media.clip.read_bytes() for media in made]
        for pool in pools:
            pool.close()
        return data

    for clip in asyncio.run(clips()):
        assert len(pictures(clip)) == 73
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".jpg", ".mp4"]
