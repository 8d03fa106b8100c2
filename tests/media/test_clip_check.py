"""Clips are what was asked for, or are refused."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest
from PIL import Image

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.clip_picture import frame_at, poster
from tests.media.movies import write_clip
from tests.media.pictures import near


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", sound=True)


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "silent.mp4", frames=73, size=(180, 320))


def test_what_a_clip_measures(clip: Path, silent: Path) -> None:
    info = check_clip(clip, duration=5, sound=True)
    assert (info.width, info.height, info.fps, info.has_audio) == (320, 180, 24, True)
    assert info.duration_seconds == pytest.approx(121 / 24, abs=0.01)
    assert info.duration_check == "5.04 s, asked for 5 s"
    assert info.sound_check == "has sound, as asked for"
    other = check_clip(silent, duration=3, sound=False)
    assert (other.width, other.height, other.has_audio) == (180, 320, False)
    assert other.sound_check == "has none, as asked for"


def test_an_unknown_duration_and_sound_are_not_checked(silent: Path) -> None:
    info = check_clip(silent)
    assert (info.duration_check, info.sound_check) == ("not checked", "not checked")


@pytest.mark.parametrize(("asked", "fits"), [(2.5, False), (2.55, True), (3.5, True), (3.6, False)])
def test_duration(silent: Path, asked: float, fits: bool) -> None:
    if fits:
        check_clip(silent, duration=asked)
        return
    with pytest.raises(InvalidClip, match=rf"lasts 3\.04 s; asked for were {asked:g} s"):
        check_clip(silent, duration=asked)


def test_sound_that_is_missing_is_refused_and_sound_that_is_too_much_is_said(
    clip: Path, silent: Path
) -> None:
    with pytest.raises(InvalidClip, match="no audio track; sound was asked for"):
        check_clip(silent, sound=True)
    assert check_clip(clip, sound=False).sound_check == "has sound, though not asked for"


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("faststart", [True, False])
def test_a_clip_cut_short_is_refused(tmp_path: Path, part: float, faststart: bool) -> None:
    whole = write_clip(tmp_path / "whole.mp4", faststart=faststart).read_bytes()
    path = tmp_path / "part.mp4"
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(InvalidClip, match=r"can be decoded|can't be read"):
        check_clip(path, duration=5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>Not found</html>",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '/etc/hostname'\n",
        b"\0\0\0\x20ftypisom" + b"\0" * 200,
    ],
    ids=["empty", "html", "playlist", "concat", "only a signature"],
)
def test_what_is_no_clip_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    with pytest.raises(InvalidClip, match=r"can't be read as MP4|no video track"):
        check_clip(path)


def test_a_file_that_is_not_there_is_an_invalid_clip(tmp_path: Path) -> None:
    with pytest.raises(InvalidClip, match=r"FileNotFoundError"):
        check_clip(tmp_path / "none.mp4")


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "tone.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=1024)
        frame.sample_rate = 44100
        frame.planes[0].update(bytes(2048))
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    with pytest.raises(InvalidClip, match="no video track"):
        check_clip(path)


def test_pictures_of_a_moment(silent: Path) -> None:
    first, middle, last = (frame_at(silent, at) for at in (0, 1.5, -0.01))
    spot = (150, 160)
    assert first.size == (180, 320)
    assert near(first.getpixel(spot), (240, 40, 10), 25)
    assert near(middle.getpixel(spot), (125, 40, 125), 30)
    assert near(last.getpixel(spot), (10, 40, 240), 25)


@pytest.mark.parametrize("seconds", [3.1, -3.2])
def test_a_moment_beyond_the_clip(silent: Path, seconds: float) -> None:
    with pytest.raises(InvalidArgument, match=r"the clip lasts 3\.04 s"):
        frame_at(silent, seconds)


def test_the_poster_is_the_first_picture(silent: Path) -> None:
    image = Image.open(io.BytesIO(poster(silent)))
    assert (image.format, image.size) == ("JPEG", (180, 320))
    assert near(image.getpixel((150, 160)), (240, 40, 10), 25)


def test_the_poster_skips_blank_pictures(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=48, blank=7)
    assert near(Image.open(io.BytesIO(poster(path))).getpixel((10, 90)), (250, 250, 250), 12)


def test_a_blank_clip_has_a_blank_poster(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=48, blank=48)
    assert near(Image.open(io.BytesIO(poster(path))).getpixel((10, 90)), (0, 0, 0), 6)


def test_of_pale_pictures_the_poster_is_the_one_with_most_to_see(tmp_path: Path) -> None:
    pale = [Image.new("RGB", (320, 180), (90, 90, 90)) for _ in range(36)]
    pale[12].paste((110, 110, 110), (0, 0, 160, 180))
    image = Image.open(io.BytesIO(poster(write_clip(tmp_path / "clip.mp4", pictures=pale))))
    assert image.getpixel((80, 90))[0] - image.getpixel((240, 90))[0] > 12
