"""Clips are what was asked for, or are refused."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
import pytest
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.clip_picture import frame_at, poster
from kling_airflow.media.clip_reader import any_metadata
from tests.media.movies import picture, turned, without_durations, write_clip, write_pictures
from tests.media.pictures import BLUE, GREEN, RED, WHITE, corners, near, opened, quarters


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


def plain(frames: int = 120, size: tuple[int, int] = (320, 180)) -> list[Image.Image]:
    return [picture(at, frames, size) for at in range(frames)]


@pytest.mark.parametrize("held", [1, 5, 7, 12, 30])
def test_the_last_pictures_own_duration_counts(tmp_path: Path, held: int) -> None:
    path = write_pictures(tmp_path / "held.mp4", plain(121 - held), last_duration=held)
    assert check_clip(path, duration=5).duration_seconds == pytest.approx(5, abs=0.002)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=12))
@settings(max_examples=25)
def test_the_duration_of_any_rate_is_exact(gaps: list[int]) -> None:
    times = [sum(gaps[:at]) for at in range(len(gaps))]
    with tempfile.TemporaryDirectory() as folder:
        path = write_pictures(Path(folder) / "v.mp4", plain(len(gaps)), times=times, last_duration=gaps[-1])
        info = check_clip(path)
    assert info.duration_seconds == pytest.approx(sum(gaps) / 24, abs=0.002)
    assert info.fps == pytest.approx(len(gaps) / (sum(gaps) / 24), abs=0.01)


@pytest.mark.parametrize(
    "flags", ["frag_keyframe+empty_moov", "frag_every_frame+empty_moov+default_base_moof", "faststart"]
)
def test_a_fragmented_clip_is_measured(tmp_path: Path, flags: str) -> None:
    path = write_pictures(tmp_path / "f.mp4", plain(), container_options={"movflags": flags})
    info = check_clip(path, duration=5)
    assert info.duration_seconds == pytest.approx(5, abs=0.002)
    assert info.fps == 24


def test_a_header_without_durations_is_measured(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "z.mp4", plain())
    path.write_bytes(without_durations(path.read_bytes()))
    assert check_clip(path, duration=5).duration_seconds == pytest.approx(5, abs=0.002)


TURNS = {
    "upright": ((1, 0, 0, 1), [RED, GREEN, BLUE, WHITE], (320, 180)),
    "quarter right": ((0, 1, -1, 0), [BLUE, RED, WHITE, GREEN], (180, 320)),
    "half": ((-1, 0, 0, -1), [WHITE, BLUE, GREEN, RED], (320, 180)),
    "quarter left": ((0, -1, 1, 0), [GREEN, WHITE, RED, BLUE], (180, 320)),
    "mirrored": ((-1, 0, 0, 1), [GREEN, RED, WHITE, BLUE], (320, 180)),
    "flipped": ((1, 0, 0, -1), [BLUE, WHITE, RED, GREEN], (320, 180)),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_turn_in_the_file_is_applied_to_size_and_pictures(tmp_path: Path, turn: str) -> None:
    matrix, expected, size = TURNS[turn]
    path = write_pictures(tmp_path / "t.mp4", [quarters(320, 180)] * 4)
    path.write_bytes(turned(path.read_bytes(), matrix))
    info = check_clip(path)
    assert (info.width, info.height) == size
    for image in (Image.open(io.BytesIO(poster(path))), frame_at(path, 0)):
        assert image.size == size
        found = corners(image)
        assert all(near(color, wanted, 16) for color, wanted in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), 1), ((640, 360), 5), ((720, 1280), 1)])
def test_without_a_tag_convention_decides_the_colors(
    tmp_path: Path, size: tuple[int, int], matrix: int
) -> None:
    path = write_pictures(tmp_path / "c.mp4", [quarters(*size)] * 2, colorspace=matrix)
    found = corners(frame_at(path, 0))
    assert all(
        near(color, wanted, 5) for color, wanted in zip(found, [RED, GREEN, BLUE, WHITE], strict=True)
    ), found


def test_a_cover_picture_is_not_the_clip(silent: Path, tmp_path: Path) -> None:
    """As music programs and editors add one: a video track of a single still."""
    path = tmp_path / "covered.mp4"
    with av.open(str(silent)) as source, av.open(str(path), "w", format="mp4") as container:
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 300, 300, "yuvj420p"
        cover.disposition = Disposition.attached_pic.value  # PyAV 15 takes the number only
        video = container.add_stream_from_template(source.streams.video[0])
        container.mux(cover.encode(av.VideoFrame.from_image(Image.new("RGB", (300, 300), "red"))))
        container.mux(cover.encode())
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
    whole = check_clip(silent)
    assert check_clip(path) == whole
    assert opened(poster(path)).size == (whole.width, whole.height)


def test_silence_is_said_if_sound_was_asked_for(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "s.mp4", sound=True, amplitude=0)
    assert check_clip(path, sound=True).sound_check == "silent, though sound was asked for"
    assert check_clip(path).sound_check == "not checked"
    quiet = write_clip(tmp_path / "q.mp4", sound=True, amplitude=200)
    assert check_clip(quiet, sound=True).sound_check == "has sound, as asked for"


def test_sound_that_ends_early_is_said(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "o.mp4", sound=True, sound_seconds=1)
    assert check_clip(path, sound=True).sound_check.startswith("has sound for 1.0")


@pytest.mark.parametrize(("first", "last"), [(0.4, 0.6), (0.2, 0.5), (0.6, 0.61)])
def test_a_clip_damaged_in_the_middle_is_refused_or_said(tmp_path: Path, first: float, last: float) -> None:
    data = bytearray(write_clip(tmp_path / "d.mp4", faststart=False).read_bytes())
    at, until = int(len(data) * first), int(len(data) * last)
    data[at:until] = bytes(until - at)
    (tmp_path / "d.mp4").write_bytes(data)
    with pytest.raises(InvalidClip, match=r"The clip is damaged: \d+ of \d+ pictures can be decoded"):
        check_clip(tmp_path / "d.mp4")
    info = check_clip(tmp_path / "d.mp4", on_mismatch="warn")
    assert info.pictures_check
    assert len(info.mismatches) == 1


def test_a_mismatch_lands_with_warn(silent: Path) -> None:
    info = check_clip(silent, duration=9, sound=True, on_mismatch="warn")
    assert [text.partition(";")[0] for text in info.mismatches] == [
        "The clip lasts 3.04 s",
        "The clip has no audio track",
    ]
    assert info.duration_check == "3.04 s, asked for 9 s"


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x86\x81\x01webm" + bytes(100), "WebM"),
        (b"<!doctype html><html>expired</html>", "an HTML page"),
        (b"<Error><Code>AccessDenied</Code></Error>", "AccessDenied"),
        (b'{"message": "token expired"}', "token expired"),
        (b"<html><a href='https://h/x?sig=TOPSECRET'>", "sig=..."),
    ],
)
def test_what_came_in_place_of_a_clip_is_named(tmp_path: Path, data: bytes, named: str) -> None:
    (tmp_path / "x.mp4").write_bytes(data)
    with pytest.raises(InvalidClip) as caught:
        check_clip(tmp_path / "x.mp4")
    assert named in str(caught.value)
    assert "TOPSECRET" not in str(caught.value)


MEASURED = """
import re, sys
from pathlib import Path
from kling_airflow.errors import InvalidClip
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.clip_reader import any_metadata
from kling_airflow.media.clip_picture import poster
import av, PIL.Image
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
for look in (check_clip, poster):
    try:
        look(Path(sys.argv[1]))
    except InvalidClip as error:
        print(error.what)
print((peak() - before) // 1024)
"""


@pytest.mark.parametrize(
    ("codec", "size", "pixels"),
    [
        ("libx264", (8192, 8192), "yuv420p"),
        ("png", (8000, 8000), "rgb24"),
        ("mjpeg", (8000, 8000), "yuvj420p"),
    ],
)
def test_a_small_file_with_huge_pictures_costs_no_memory(
    tmp_path: Path, codec: str, size: tuple[int, int], pixels: str
) -> None:
    path = write_pictures(tmp_path / "huge.mp4", [Image.new("RGB", size)] * 2, codec=codec, pixels=pixels)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    said = done.stdout.splitlines()
    assert all("`max_pixels`" in line for line in said[:2]), said
    assert int(said[-1]) < 60, said  # megabytes
    assert check_clip(path, max_pixels=size[0] * size[1]).width == size[0]


@pytest.mark.parametrize(
    ("version", "given"), [("15.0.0", True), ("18.1.0", True), ("19.0.2", False), ("20.1.0rc1", False)]
)
def test_only_older_pyavs_are_told_to_read_any_metadata(
    version: str, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyAV 19, which Python 3.12 and later get, refuses the argument: no clip could be opened."""
    monkeypatch.setattr(av, "__version__", version)
    assert any_metadata() == ({"metadata_errors": "replace"} if given else {})
