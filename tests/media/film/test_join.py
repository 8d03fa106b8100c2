"""Clips become one film: nothing is lost, nothing drifts, and what can be copied is copied."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from kling_airflow.errors import InvalidArgument, InvalidClip
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.film.frames import stills
from kling_airflow.media.film.join import FilmOptions, join
from kling_airflow.media.film.mix import Music
from kling_airflow.media.film.samples import decoded
from tests.media.film.clips import beeps, clap, flashes, gray
from tests.media.movies import turned, write_clip, write_pictures
from tests.media.pictures import BLUE, GREEN, RED, WHITE, corners, near, quarters

FAST = {"preset": "ultrafast", "crf": 20}


def made(*parts: Path, folder: Path, **options: Any) -> Any:
    return join(parts, folder / "film.mp4", FilmOptions(**(FAST | options)))


def is_faststart(path: Path) -> bool:
    data = path.read_bytes()
    return data.index(b"moov") < data.index(b"mdat")


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three clips of one encoder, with sound that is longer than the pictures."""
    folder = tmp_path_factory.mktemp("same")
    return [clap(folder / f"{at}.mp4", frames=25, at=at) for at in (4, 8, 12)]


def packets(path: Path, kind: str = "video") -> list[bytes]:
    with av.open(str(path)) as container:
        stream = container.streams.get(**{kind: 0})[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


def test_alike_clips_are_copied(same: list[Path], tmp_path: Path) -> None:
    film = made(*same, folder=tmp_path)
    assert (film.pictures, film.sound, film.why) == ("copied", "copied", ())
    assert packets(film.path) == [packet for path in same for packet in packets(path)]
    assert film.seconds == pytest.approx(75 / 24, abs=0.001)
    info = check_clip(film.path, duration=film.seconds, sound=True)
    assert (info.duration_seconds, info.fps, info.width, info.height) == (3.125, 24, 64, 48)
    assert [segment.start for segment in film.segments] == pytest.approx([0, 25 / 24, 50 / 24], abs=1e-6)
    assert is_faststart(film.path)


def test_a_film_never_replaces_one_of_its_clips(same: list[Path], tmp_path: Path) -> None:
    link = tmp_path / "link.mp4"
    link.symlink_to(same[1])
    for target in (same[1], same[1].parent / "." / ".." / same[1].parent.name / same[1].name, link):
        before = same[1].read_bytes()
        with pytest.raises(InvalidArgument, match="which is Clip 2 of the film; name another file"):
            join(same, target, FilmOptions(**FAST))
        assert same[1].read_bytes() == before


def test_what_is_copied_is_in_step(same: list[Path], tmp_path: Path) -> None:
    film = made(*(same * 7)[:20], folder=tmp_path)
    assert (film.pictures, film.sound) == ("copied", "copied")
    shown = flashes(film.path)
    assert len(shown) == 20
    for heard in (beeps(film.path), beeps(film.path, by_count=True)):
        offsets = [b - f for b, f in zip(heard, shown, strict=True)]
        assert max(map(abs, offsets)) < 0.015  # half a packet of sound, and the beep's own edge


def test_twenty_mixed_clips_are_in_step_to_the_frame(tmp_path: Path) -> None:
    kinds: list[dict[str, Any]] = [
        {},
        {"sound": None},
        {"rate": 30, "frames": 31, "at": 10},
        {"sound": 44_100, "layout": "mono"},
        {"sound_seconds": 0.6},
        {"sound_seconds": 1.4, "size": (48, 64)},
        {"rate": 25, "frames": 23, "sound": 32_000},
        {"codec": "mpeg4"},
    ]
    parts = [clap(tmp_path / f"{number}.mp4", **kind) for number, kind in enumerate(kinds)]
    order = [number % 8 for number in range(20)]
    film = made(*(parts[number] for number in order), folder=tmp_path)
    assert (film.pictures, film.sound) == ("encoded", "encoded")
    shown = flashes(film.path)
    assert len(shown) == 20
    with_sound = [time for time, number in zip(shown, order, strict=True) if number != 1]
    for heard in (beeps(film.path), beeps(film.path, by_count=True)):
        offsets = [b - f for b, f in zip(heard, with_sound, strict=True)]
        assert max(map(abs, offsets)) < 1 / 24
        assert abs(offsets[-1] - offsets[0]) < 1 / 24


def test_only_the_sound_is_encoded_if_one_clip_has_none(same: list[Path], tmp_path: Path) -> None:
    silent = clap(tmp_path / "silent.mp4", frames=25, sound=None)
    film = made(same[0], silent, same[1], folder=tmp_path)
    assert (film.pictures, film.sound) == ("copied", "encoded")
    assert film.why == ("Clip 2 has no sound, unlike the first clip.",)
    shown, heard = flashes(film.path), beeps(film.path)
    assert [heard[0] - shown[0], heard[1] - shown[2]] == pytest.approx([0, 0], abs=0.01)
    assert sum(len(data) for _, data in decoded(film.path)) / 8 / 48_000 == pytest.approx(75 / 24, abs=0.03)


def test_sound_that_ends_early_is_filled_up_with_silence(tmp_path: Path) -> None:
    short = [clap(tmp_path / f"{at}.mp4", frames=24, at=at, sound_seconds=0.6) for at in (3, 6)]
    film = made(*short, folder=tmp_path)
    assert (film.pictures, film.sound) == ("copied", "encoded")
    assert "the sound ends before the pictures" in film.why[0]
    assert [b - f for b, f in zip(beeps(film.path), flashes(film.path), strict=True)] == pytest.approx(
        [0, 0], abs=0.01
    )


def test_without_any_sound_there_is_no_audio_track(tmp_path: Path) -> None:
    parts = [clap(tmp_path / f"{at}.mp4", at=at, sound=None) for at in (2, 4)]
    film = made(*parts, folder=tmp_path)
    assert (film.pictures, film.sound, film.has_audio) == ("copied", "none", False)
    assert check_clip(film.path, sound=False).sound_check == "has none, as asked for"


@pytest.mark.parametrize("fit", ["pad", "crop", "blur"])
@pytest.mark.parametrize(("shape", "size"), [("9:16", (48, 86)), ("1:1", (48, 48)), ("4:5", (48, 60))])
def test_another_shape(same: list[Path], tmp_path: Path, shape: str, size: tuple[int, int], fit: str) -> None:
    film = made(same[0], folder=tmp_path, shape=shape, fit=fit)
    assert (film.width, film.height) == pytest.approx(size, abs=2)
    assert film.why == ("The film has another shape than its clips.",)
    info = check_clip(film.path)
    assert (info.width, info.height, info.fps) == (film.width, film.height, 24)
    with av.open(str(film.path)) as container:
        edge = next(container.decode(video=0)).to_image().getpixel((24, 1))
    assert near(edge, (0, 0, 0) if fit == "pad" else (40, 40, 40), 12)


def test_a_rotated_clip_is_upright_in_the_film(tmp_path: Path) -> None:
    upright = write_pictures(tmp_path / "a.mp4", [quarters(64, 64)] * 3)
    for name, matrix, expected in (
        ("right", (0, 1, -1, 0), [BLUE, RED, WHITE, GREEN]),
        ("half", (-1, 0, 0, -1), [WHITE, BLUE, GREEN, RED]),
        ("left", (0, -1, 1, 0), [GREEN, WHITE, RED, BLUE]),
        ("mirror", (-1, 0, 0, 1), [GREEN, RED, WHITE, BLUE]),
    ):
        path = tmp_path / f"{name}.mp4"
        path.write_bytes(turned(upright.read_bytes(), matrix))
        film = made(path, upright, folder=tmp_path)
        assert film.pictures == "encoded"
        found = corners(next(stills(film.path, [0])).image)
        assert all(near(a, b, 24) for a, b in zip(found, expected, strict=True)), (name, found)


def test_a_cross_fade_mixes_and_shortens(tmp_path: Path) -> None:
    dark = clap(tmp_path / "dark.mp4", at=-1, color=(0, 0, 0))
    light = clap(tmp_path / "light.mp4", at=-1, color=(200, 200, 200))
    film = made(dark, light, dark, folder=tmp_path, transition="fade", transition_seconds=0.25)
    assert film.seconds == pytest.approx((72 - 12) / 24)
    assert [segment.start for segment in film.segments] == pytest.approx([0, 18 / 24, 36 / 24])
    values = gray(film.path)
    assert len(values) == 60
    rising = values[18:24]
    assert rising == sorted(rising)
    assert values[17] < 5
    assert values[25] > 190
    assert 60 < values[21] < 140
    assert sum(len(data) for _, data in decoded(film.path)) / 8 / 48_000 == pytest.approx(2.5, abs=0.03)


def test_cross_fades_stay_in_step(same: list[Path], tmp_path: Path) -> None:
    film = made(*same * 3, folder=tmp_path, transition="dissolve", transition_seconds=0.1)
    offsets = [b - f for b, f in zip(beeps(film.path), flashes(film.path), strict=True)]
    assert len(offsets) == 9
    assert max(map(abs, offsets)) < 1 / 24


@pytest.mark.parametrize("by_pyav", [True, False])
@pytest.mark.parametrize("options", [{}, {"transition": "fade", "transition_seconds": 0.25}])
def test_chapters(
    same: list[Path],
    tmp_path: Path,
    by_pyav: bool,
    options: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not by_pyav:
        monkeypatch.setattr("kling_airflow.media.film.join.takes_chapters", lambda out: False)
    film = made(*same, folder=tmp_path, titles=["Start", "Mitte: größer", "End"], **options)
    assert len(flashes(film.path)) == 3
    with av.open(str(film.path)) as container:
        if not hasattr(container, "chapters"):
            pytest.skip("this PyAV can't read chapters")
        found = [
            (float(chapter["start"] * chapter["time_base"]), chapter["metadata"]["title"])
            for chapter in container.chapters()
        ]
    assert [title for _, title in found] == ["Start", "Mitte: größer", "End"]
    begins = [begin for begin, _ in found]
    assert begins == pytest.approx([each.start for each in film.segments], abs=0.001)
    if not options:
        assert begins == pytest.approx([0, 1.042, 2.083], abs=0.001)


def test_progress_rises_to_the_end(same: list[Path], tmp_path: Path) -> None:
    told: list[tuple[float, float]] = []
    join(same, tmp_path / "film.mp4", progress=lambda done, whole: told.append((done, whole)))
    assert [done for done, _ in told] == pytest.approx([25 / 24, 50 / 24, 75 / 24], abs=0.01)
    assert {round(whole, 3) for _, whole in told} == {3.125}


@pytest.mark.parametrize(
    ("rates", "rate"),
    [
        ([(24, 24), (30, 30)], 30),
        ([(24, 24), (24, 30), (30, 30)], 30),
        ([(48, 24), (30, 30)], 24),
        ([(24, 24), (30, 30), (24, 24)], 24),
        ([(3, 1), (24, 24)], 24),
        ([(10, 5), (12, 24)], 24),
        ([(3, 1), (10, 5)], 5),
    ],
    ids=str,
)
def test_the_rate_is_that_of_most_seconds_with_motion(
    tmp_path: Path, rates: list[tuple[int, int]], rate: int
) -> None:
    """A slow slide at the begin makes no slide show of the clips behind it."""
    parts = [
        clap(tmp_path / f"{number}.mp4", frames=frames, rate=of, at=0, sound=None)
        for number, (frames, of) in enumerate(rates)
    ]
    film = made(*parts, folder=tmp_path)
    assert film.rate == rate
    assert film.seconds == pytest.approx(sum(frames / of for frames, of in rates), abs=0.05)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.0])
def test_the_sound_ends_with_the_last_picture(tmp_path: Path, count: int, seconds: float) -> None:
    clip = clap(tmp_path / "long.mp4", sound_seconds=seconds)
    film = made(*[clip] * count, folder=tmp_path)
    assert film.pictures == "copied"
    with av.open(str(film.path)) as container:
        (audio,), (video,) = container.streams.audio, container.streams.video
        assert audio.duration is not None
        assert video.duration is not None
        heard = float(audio.duration * audio.time_base)
        shown = float(video.duration * video.time_base)
    assert heard <= shown + 1024 / 48_000
    if seconds >= 1.0:
        assert heard >= shown - 0.01


def test_variable_rates_become_even(tmp_path: Path) -> None:
    odd = write_pictures(tmp_path / "odd.mp4", [quarters(64, 48)] * 4, times=[0, 3, 11, 12], last_duration=12)
    film = made(clap(tmp_path / "a.mp4"), odd, folder=tmp_path)
    assert film.rate == Fraction(24)
    assert film.seconds == pytest.approx(2)


def _without_pictures(path: Path) -> None:
    """A whole MP4 file with a track of no length."""
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=24)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "not a video": (lambda path: path.write_bytes(b"<html>no</html>"), InvalidClip, "can't be read as MP4"),
    "empty": (lambda path: path.write_bytes(b""), InvalidClip, "can't be read as MP4"),
    "without a picture": (_without_pictures, InvalidClip, "no video track|no picture|can't be decoded"),
    "not there": (lambda path: None, InvalidClip, "there is no file"),
    "a folder": (lambda path: path.mkdir(), InvalidClip, "it is a folder"),
    "cut short": (
        lambda path: path.write_bytes(
            write_clip(path.with_name("whole.mp4"), frames=90, size=(160, 90)).read_bytes()[:9000]
        ),
        InvalidClip,
        "it is damaged",
    ),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("mode", ["alone", "among others"])
def test_what_is_no_clip_is_named(tmp_path: Path, kind: str, mode: str) -> None:
    make, error, message = BAD[kind]
    path = tmp_path / "bad.mp4"
    make(path)
    good = clap(tmp_path / "good.mp4")
    parts = [path] if mode == "alone" else [good, path, good]
    with pytest.raises(error, match=rf"^Clip {1 if mode == 'alone' else 2}: .*{message}"):
        join(parts, tmp_path / "film.mp4", FilmOptions(**FAST))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": "2:1"}, "`shape` is '2:1'; it must be one of None, 16:9"),
        ({"fit": "stretch"}, "`fit` is 'stretch'"),
        ({"transition": "spin"}, "`transition` is 'spin'"),
        (
            {"transition": "fade", "transition_seconds": 3},
            "`transition_seconds` is 3; it must be from 0 to 2",
        ),
        ({"crf": 60}, "`crf` is 60"),
        ({"crf": "18"}, "`crf` is '18'; it must be a number from 0 to 51"),
        ({"crf": None}, "`crf` is None; it must be a number"),
        ({"crf": True}, "`crf` is True; it must be a number"),
        ({"transition_seconds": "1"}, "`transition_seconds` is '1'; it must be a number"),
        ({"transition_seconds": float("nan")}, "`transition_seconds` is nan"),
        ({"loudness": "loud"}, "`loudness` is 'loud'; it must be a number"),
        ({"max_pixels": 0}, "`max_pixels` is 0"),
        ({"music": Music(path=Path("m"), volume=math.inf)}, "`music_volume` is inf"),
        ({"music": Music(path=Path("m"), fade_out=-1)}, "`fade_out` is -1; it must be from 0 to"),
        ({"titles": ["one", "two"]}, "`titles` has 2 entries for 3 clips"),
        ({"titles": ["one", "two", 3]}, "`titles` holds 3; each title must be a text"),
        ({"preset": "fastest"}, "`preset` is 'fastest'"),
        ({"loudness": 3}, "`loudness` is 3; it must be from -70 to -5"),
        (
            {"transition": "fade", "transition_seconds": 0.6},
            r"^Clip 2 lasts 1\.04 s; its transitions .* 1\.17",
        ),
    ],
)
def test_options_that_can_not_be(
    same: list[Path], tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument, match=message):
        join(same, tmp_path / "film.mp4", FilmOptions(**options))
    assert not (tmp_path / "film.mp4").exists()


def test_names_that_are_too_few(same: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="`names` has 1 entries for 3 clips"):
        join(same, tmp_path / "film.mp4", names=["one"])


@pytest.mark.parametrize(
    ("place", "message"),
    [(".", "which is a folder"), ("no/such/film.mp4", "the folder '.*no/such' does not exist")],
)
def test_a_place_where_no_film_can_be(same: list[Path], tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"`destination` is .*{message}"):
        join(same, tmp_path / place)


def test_no_clip_makes_no_film(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="`clips` has 0 clips"):
        join([], tmp_path / "film.mp4")


MEMORY = """
import sys
from pathlib import Path
from kling_airflow.media.film.join import FilmOptions, join
count, transition = int(sys.argv[3]), sys.argv[4] or None
options = FilmOptions(preset="ultrafast", transition=transition, transition_seconds=0.1, shape="1:1")
join([sys.argv[1]] * count, sys.argv[2], options)
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024)
"""


@pytest.mark.parametrize("transition", ["", "fade"])
def test_memory_does_not_grow_with_the_film(tmp_path: Path, transition: str) -> None:
    clip = clap(tmp_path / "a.mp4", size=(640, 360), frames=24)
    used = []
    for count in (2, 12):
        arguments = [str(clip), str(tmp_path / "film.mp4"), str(count), transition]
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, *arguments],
            capture_output=True, text=True, check=True, timeout=120, env=os.environ,
        )  # fmt: skip
        used.append(int(done.stdout))
    assert used[1] - used[0] < 25, used  # ten more clips would be 80 MB of pictures
