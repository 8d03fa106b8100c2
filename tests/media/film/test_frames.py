"""Frames taken out of clips are exact: the same pixels that decoding everything gives."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.clip_reader import opened, pictures, to_image
from kling_airflow.media.film.frames import first_frame, frame_png, frames_every, last_frame, stills
from tests.media.movies import picture, turned, without_durations, write_clip, write_pictures
from tests.media.pictures import quarters

SIZE = (64, 48)


def plain(frames: int, size: tuple[int, int] = SIZE) -> list[Image.Image]:
    return [picture(at, frames, size) for at in range(frames)]


def image(png: bytes) -> Image.Image:
    found = Image.open(io.BytesIO(png))
    assert found.format == "PNG"
    return found.convert("RGB")


def decoded(path: Path) -> list[Image.Image]:
    """Every picture, by decoding the whole file."""
    with opened(path) as (container, video):
        return [to_image(each, video) for each in pictures(container, video)]


def same(png: bytes, wanted: Image.Image) -> bool:
    return image(png).tobytes() == wanted.tobytes()


@given(
    frames=st.integers(1, 40),
    gop=st.integers(1, 50),
    bframes=st.integers(0, 3),
    flags=st.sampled_from(["", "faststart", "frag_keyframe+empty_moov"]),
    data=st.data(),
)
@settings(max_examples=25, deadline=None)
def test_the_last_frame_is_that_of_decoding_everything(
    frames: int, gop: int, bframes: int, flags: str, data: st.DataObject
) -> None:
    gaps = data.draw(st.lists(st.integers(1, 9), min_size=frames, max_size=frames))
    times = [sum(gaps[:at]) for at in range(frames)]
    with tempfile.TemporaryDirectory() as folder:
        path = write_pictures(
            Path(folder) / "x.mp4",
            plain(frames),
            times=times,
            options={"g": str(gop), "bf": str(bframes), "keyint_min": "1"},
            container_options={"movflags": flags} if flags else {},
        )
        every = decoded(path)
        assert len(every) == frames
        assert same(last_frame(path), every[-1])
        assert same(first_frame(path), every[0])


@pytest.mark.parametrize("part", [0.35, 0.6, 0.9])
def test_of_a_clip_cut_short_it_is_the_last_that_is_left(tmp_path: Path, part: float) -> None:
    whole = write_clip(tmp_path / "whole.mp4", frames=60, size=(160, 90)).read_bytes()
    path = tmp_path / "part.mp4"
    path.write_bytes(whole[: int(len(whole) * part)])
    every = decoded(path)
    assert 0 < len(every) < 60
    assert same(last_frame(path), every[-1])


def test_a_damaged_end_is_stepped_over(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "x.mp4", plain(40), options={"g": "8", "keyint_min": "8"})
    with av.open(str(path)) as container:
        at = [(packet.pos, packet.size, packet.pts) for packet in container.demux(video=0) if packet.size]
        rate = container.streams.video[0].time_base
    data = bytearray(path.read_bytes())
    for begin, size, time in at:
        if float(time * rate) >= 32 / 24 - 0.001:  # the last key frame and all that follows
            data[begin + 4 : begin + size] = b"\xff" * (size - 4)
    path.write_bytes(data)
    assert same(last_frame(path), decoded(path)[-1])


def test_a_header_without_durations(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "z.mp4", plain(30), options={"g": "7"})
    path.write_bytes(without_durations(path.read_bytes()))
    assert same(last_frame(path), decoded(path)[-1])


def test_it_is_upright_and_has_the_viewers_size(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "t.mp4", [quarters(64, 48)] * 3)
    path.write_bytes(turned(path.read_bytes(), (0, 1, -1, 0)))
    assert image(last_frame(path)).size == (48, 64)
    assert same(last_frame(path), decoded(path)[-1])


def test_a_moment(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "x.mp4", plain(24))
    every = decoded(path)
    assert same(frame_png(path, 0.5), every[12])
    assert same(frame_png(path, -0.01), every[-1])
    with pytest.raises(InvalidArgument, match=r"`seconds` is 2; the clip lasts 1\.00 s"):
        frame_png(path, 2)


def test_every_n_seconds(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "x.mp4", plain(49))
    every = decoded(path)
    found = list(frames_every(path, 0.5))
    assert [still.seconds for still in found] == [0, 0.5, 1, 1.5, 2]
    assert all(same(still.png, every[round(still.seconds * 24)]) for still in found)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_any_moments_in_one_pass(ticks: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        times = [at * 2 for at in range(20)]
        path = write_pictures(Path(folder) / "x.mp4", plain(20), times=times, last_duration=2)
        every = decoded(path)
        moments = sorted(tick / 24 + 0.01 for tick in ticks)
        found = list(stills(path, moments))
    assert [still.seconds for still in found] == [moment for moment in moments if moment < 40 / 24]
    for still in found:
        assert still.image.tobytes() == every[int(still.seconds * 24) // 2].tobytes()


@pytest.mark.parametrize("every", [0, -1, float("nan"), float("inf")])
def test_no_interval(tmp_path: Path, every: float) -> None:
    path = write_pictures(tmp_path / "x.mp4", plain(2))
    with pytest.raises(InvalidArgument, match="`every` is"):
        list(frames_every(path, every))


def test_too_many_frames_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_airflow.media.film.frames.MAX_FRAMES", 5)
    path = write_pictures(tmp_path / "x.mp4", plain(24))
    with pytest.raises(InvalidArgument, match="more than 5 frames"):
        list(frames_every(path, 0.1))


@pytest.mark.parametrize("take", [first_frame, last_frame, lambda path: list(frames_every(path, 1))])
@pytest.mark.parametrize("kind", ["page", "folder", "nothing"])
def test_what_is_no_clip(tmp_path: Path, take: object, kind: str) -> None:
    path = tmp_path / "x.mp4"
    if kind == "page":
        path.write_bytes(b"<html>Not found</html>")
    elif kind == "folder":
        path.mkdir()
    named = {"page": "is HTML|is .*text|bytes", "folder": "it is a folder", "nothing": "there is no file"}[
        kind
    ]
    with pytest.raises(InvalidClip, match=rf"can't be read as MP4.*({named})"):
        take(path)  # type: ignore[operator]
