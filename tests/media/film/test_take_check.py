"""What a machine tells of a take: each fault made, found, and not found where it isn't."""

from __future__ import annotations

import io
import math
from array import array
from fractions import Fraction
from pathlib import Path

import av
import pytest
from PIL import Image, ImageFilter

from kling_airflow.errors import InvalidClip, InvalidFrame
from kling_airflow.media.film.frames import first_frame
from kling_airflow.media.film.similarity import ssim
from kling_airflow.media.film.take_check import TakeLimits, check_take
from tests.media.movies import picture, write_clip, write_pictures
from tests.media.pictures import HUBBLE, ROCKET, encoded

SIZE = (160, 90)


def moving(frames: int = 48) -> list[Image.Image]:
    return [picture(at, frames, SIZE) for at in range(frames)]


def test_a_good_take_has_no_problems(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mp4", frames=48, size=SIZE, sound=True)
    found = check_take(path, start_frame=first_frame(path), sound=True)
    assert found.problems == ()
    assert found.seconds == pytest.approx(2)
    assert found.likeness == pytest.approx(1, abs=0.001)
    # PyAV 19's AAC encoder overshoots by 17 % in the last samples.
    assert found.peak == pytest.approx(12_000 / 32_768 * math.sqrt(0.5), rel=0.2)
    assert (found.black_seconds, found.clipped_percent) == (0, 0)
    assert found.frozen_seconds < 0.2


def test_black_pictures(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mp4", frames=48, size=SIZE, blank=24)
    found = check_take(path)
    assert found.black_seconds == pytest.approx(1, abs=0.05)
    assert found.problems == ("The pictures are black for 1.0 of 2.0 s.",)
    assert check_take(path, limits=TakeLimits(black=1.5)).problems == ()


def test_a_short_black_take(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "x.mp4", frames=6, size=SIZE, blank=6)
    assert check_take(path).problems[0] == "The pictures are black for 0.2 of 0.2 s."


def test_a_frozen_take(tmp_path: Path) -> None:
    still = moving()[10]
    path = write_pictures(tmp_path / "x.mp4", [*moving(12), *[still] * 48])
    found = check_take(path)
    assert found.frozen_seconds == pytest.approx(2, abs=0.1)
    assert found.problems == ("Nothing moves for 2.0 of 2.5 s.",)


def test_a_held_picture_is_frozen(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "x.mp4", moving(12), last_duration=48)
    assert check_take(path).frozen_seconds == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(("sound", "problems"), [(None, 1), (True, 1), (False, 0)])
def test_silence(tmp_path: Path, sound: bool | None, problems: int) -> None:
    path = write_clip(tmp_path / "x.mp4", frames=24, size=SIZE, sound=True, amplitude=0)
    found = check_take(path, sound=sound)
    assert (found.peak, len(found.problems)) == (0, problems)
    assert all(problem == "The sound is silent." for problem in found.problems)


def test_sound_that_is_missing(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "x.mp4", moving(24))
    assert check_take(path, sound=True).problems == ("There is no audio track; sound was asked for.",)
    assert check_take(path).peak is None


@pytest.mark.parametrize(("gain", "clipped"), [(0.9, False), (3.0, True)])
def test_clipped_sound(tmp_path: Path, gain: float, clipped: bool) -> None:
    path = tmp_path / "x.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        audio = container.add_stream("flac", rate=48_000, layout="stereo", format="s16")
        for image in moving(24):
            container.mux(video.encode(av.VideoFrame.from_image(image)))
        container.mux(video.encode())
        values = array("h")
        for at in range(48_000):
            value = gain * math.sin(at * 2 * math.pi * 440 / 48_000)
            values.extend([round(32_767 * max(-1.0, min(1.0, value)))] * 2)
        for start in range(0, 48_000, 4_000):
            frame = av.AudioFrame(format="s16", layout="stereo", samples=4_000)
            frame.sample_rate, frame.pts, frame.time_base = 48_000, start, Fraction(1, 48_000)
            data = values[start * 2 : start * 2 + 8_000].tobytes()
            frame.planes[0].update(data.ljust(frame.planes[0].buffer_size, b"\0"))
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
    found = check_take(path)
    assert found.peak == pytest.approx(min(gain, 1), abs=0.01)
    assert bool(found.problems) is clipped
    if clipped:
        assert found.problems[0].startswith("The sound is too loud: ")
        assert found.clipped_percent == pytest.approx(100 * (1 - 2 * math.asin(1 / 3) / math.pi), abs=3)


def test_a_first_picture_that_is_not_the_start_frame(tmp_path: Path) -> None:
    rocket, hubble = (Image.open(path).convert("RGB").resize((320, 180)) for path in (ROCKET, HUBBLE))
    path = write_pictures(tmp_path / "x.mp4", [rocket] * 2)
    good, bad = (check_take(path, start_frame=encoded(image)) for image in (rocket, hubble))
    assert good.likeness is not None
    assert good.likeness > 0.95
    assert not any("start frame" in problem for problem in good.problems)
    assert any("is unlike the start frame: SSIM" in problem for problem in bad.problems)


def test_what_can_not_be_checked(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "x.mp4", moving(2))
    with pytest.raises(InvalidFrame, match="start frame can't be read"):
        check_take(path, start_frame=b"no picture")
    path.write_bytes(b"<html>")
    with pytest.raises(InvalidClip):
        check_take(path)


def test_likeness_orders_pictures_as_the_eye_does() -> None:
    image = Image.open(ROCKET).convert("RGB").resize((512, 288))
    blurred = image.filter(ImageFilter.GaussianBlur(6))
    values = [
        ssim(image, other)
        for other in (image, _jpeg(image), blurred, Image.open(HUBBLE), Image.new("RGB", image.size))
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(1)
    assert values[-1] < 0.3
    assert ssim(image, image.resize((1024, 576))) > 0.97


@pytest.mark.skipif(not hasattr(av.VideoFrame, "metadata"), reason="this PyAV hides what FFmpeg measures")
def test_likeness_is_that_of_ffmpeg() -> None:
    image = Image.open(ROCKET).convert("L").resize((256, 168))
    for other in (_jpeg(image).convert("L"), image.filter(ImageFilter.GaussianBlur(3)), image.rotate(180)):
        assert ssim(image, other) == pytest.approx(_by_ffmpeg(image, other), abs=0.04)


def _by_ffmpeg(one: Image.Image, other: Image.Image) -> float:
    graph = av.filter.Graph()
    source = f"video_size={one.width}x{one.height}:pix_fmt=gray:time_base=1/24"
    first, second = graph.add("buffer", source), graph.add("buffer", source)
    node, end = graph.add("ssim"), graph.add("buffersink")
    first.link_to(node, 0, 0)
    second.link_to(node, 0, 1)
    node.link_to(end)
    graph.configure()
    for begin, image in ((first, one), (second, other)):
        frame = av.VideoFrame.from_image(image.convert("RGB")).reformat(format="gray")
        frame.pts, frame.time_base = 0, Fraction(1, 24)
        begin.push(frame)
        begin.push(None)
    return float(end.pull().metadata["lavfi.ssim.All"])


def _jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer)
