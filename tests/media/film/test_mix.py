"""A film's sound: music that ducks and fades, one loudness, and never a sample more or less."""

from __future__ import annotations

import math
import tempfile
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_airflow.errors import InvalidClip
from kling_airflow.media.film.fades import SoundFades, crossfaded
from kling_airflow.media.film.join import FilmOptions, join
from kling_airflow.media.film.mix import Meter, Mixer, Music
from kling_airflow.media.film.samples import RATE, WIDTH, clip_samples, decoded, exact, silence
from tests.media.film.clips import beep, clap
from tests.media.movies import write_clip

has_metadata = pytest.mark.skipif(not hasattr(av.AudioFrame, "metadata"), reason="PyAV 17 measures loudness")


def tone(seconds: float, level: float, hertz: float = 440.0) -> bytes:
    values = array("f")
    for number in range(round(seconds * RATE)):
        value = level * math.sin(number * 2 * math.pi * hertz / RATE)
        values.extend((value, value))
    return values.tobytes()


def level(data: bytes) -> float:
    values = array("f", data)
    return max(map(abs, values)) if values else 0.0


def part(data: bytes, begin: float, end: float) -> bytes:
    return data[round(begin * RATE) * WIDTH : round(end * RATE) * WIDTH]


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of music, as WAV."""
    path = tmp_path_factory.mktemp("music") / "m.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=44_100, layout="stereo")
        for frame in beep(0, 0.5, 44_100):
            wave = [round(9000 * math.sin(at // 2 * 2 * math.pi / 64)) for at in range(frame.samples * 2)]
            values = array("h", wave)
            frame.planes[0].update(values.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def mixed(sound: Iterable[bytes], samples: int, music: Music | None, gain: float = 0.0) -> bytes:
    mixer = Mixer(samples, music, gain)
    return b"".join([*mixer.push(sound), *mixer.rest()])


@pytest.mark.parametrize("gain", [0.0, 6.0])
@pytest.mark.parametrize("ducking", [None, True, False])
@pytest.mark.parametrize("samples", [1, 4_095, 48_001])
def test_the_mix_is_as_long_as_the_film(music: Path, samples: int, ducking: bool | None, gain: float) -> None:
    track = None if ducking is None else Music(path=music, ducking=ducking, fade_out=0.2)
    assert len(mixed(silence(samples), samples, track, gain)) == samples * WIDTH


def test_music_repeats_fades_out_and_ducks(music: Path) -> None:
    sound = bytes(RATE * WIDTH) + tone(1, 0.5) + bytes(2 * RATE * WIDTH)
    loud, plain = (
        mixed([sound], 4 * RATE, Music(path=music, volume=-12, ducking=ducking, fade_out=1))
        for ducking in (True, False)
    )
    alone = level(part(plain, 0.6, 0.9))
    assert alone == pytest.approx(9000 / 32768 * 10 ** (-12 / 20), rel=0.1)
    assert level(part(plain, 2.6, 2.9)) == pytest.approx(alone, rel=0.05)  # its fifth repetition
    assert level(part(plain, 3.95, 4)) < alone / 10
    assert level(part(loud, 0.6, 0.9)) == pytest.approx(alone, rel=0.05)
    assert level(part(plain, 1.5, 1.9)) > 0.5 + alone * 0.8
    assert level(part(loud, 1.5, 1.9)) < 0.5 + alone * 0.5


def _silent_clip(path: Path) -> None:
    write_clip(path.with_suffix(".mp4"), frames=2, size=(64, 48)).rename(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "can't be read: InvalidDataError"),
        (lambda path: path.write_bytes(b"no music"), "can't be read: InvalidDataError"),
        (lambda path: path.mkdir(), "can't be read: "),
        (lambda path: None, "can't be read: FileNotFoundError: No such file"),
        (_silent_clip, "has no audio track"),
    ],
    ids=["empty", "a text", "a folder", "not there", "a clip without sound"],
)
def test_what_is_no_music(tmp_path: Path, make: Callable[[Path], object], message: str) -> None:
    """The film's own file is not begun."""
    path = tmp_path / "m.mp3"
    make(path)
    with pytest.raises(InvalidClip, match=rf"The music \(m\.mp3\) {message}"):
        mixed(silence(5000), 5000, Music(path=path))
    options = FilmOptions(music=Music(path=path))
    with pytest.raises(InvalidClip, match=rf"The music \(m\.mp3\) {message}"):
        join([clap(tmp_path / "a.mp4")], tmp_path / "film.mp4", options)
    assert not (tmp_path / "film.mp4").exists()


@has_metadata
@pytest.mark.parametrize("target", [-30.0, -16.0])
def test_a_film_has_the_loudness_that_is_asked_for(tmp_path: Path, target: float) -> None:
    parts = [write_clip(tmp_path / f"{at}.mp4", frames=24 * at, size=(64, 48), sound=True) for at in (1, 2)]
    film = join(parts, tmp_path / "film.mp4", FilmOptions(loudness=target))
    meter = Meter()
    meter.push(data for _, data in decoded(film.path))
    assert meter.found == pytest.approx(target, abs=0.5)
    assert (film.pictures, film.sound) == ("copied", "encoded")


@has_metadata
def test_silence_is_not_made_loud(tmp_path: Path) -> None:
    silent = clap(tmp_path / "a.mp4", at=-1)
    film = join([silent], tmp_path / "film.mp4", FilmOptions(loudness=-14))
    assert level(b"".join(data for _, data in decoded(film.path))) < 0.001


@has_metadata
def test_peaks_stay_below_full_scale() -> None:
    made = mixed([tone(1, 0.5)], RATE, None, gain=20.0)
    assert level(part(made, 0.1, 0.9)) <= 0.9


def test_a_film_with_music_has_it_under_clips_without_sound(tmp_path: Path, music: Path) -> None:
    silent = clap(tmp_path / "a.mp4", sound=None)
    film = join([silent, silent], tmp_path / "film.mp4", FilmOptions(music=Music(path=music, fade_out=0.3)))
    assert (film.pictures, film.sound) == ("copied", "encoded")
    sound = b"".join(data for _, data in decoded(film.path))
    assert level(part(sound, 1.2, 1.6)) > 0.05
    assert level(part(sound, 1.98, 2)) < 0.03


@given(st.lists(st.integers(0, 400), max_size=12), st.integers(0, 1500))
@settings(max_examples=50, deadline=None)
def test_exact_is_exact(lengths: list[int], wanted: int) -> None:
    parts = [bytes([1]) * (length * WIDTH) for length in lengths]
    whole = b"".join(parts)
    made = b"".join(exact(parts, wanted))
    assert made == whole[: wanted * WIDTH].ljust(wanted * WIDTH, b"\0")


@given(
    st.lists(st.tuples(st.integers(200, 900), st.integers(1, 700)), min_size=1, max_size=5),
    st.integers(0, 90),
)
@settings(max_examples=25, deadline=None)
def test_faded_sound_loses_only_its_overlaps(clips: list[tuple[int, int]], overlap: int) -> None:
    fades, made = SoundFades(), 0
    for number, (samples, piece) in enumerate(clips):
        data = bytes(samples * WIDTH)
        parts = [data[at : at + piece * WIDTH] for at in range(0, len(data), piece * WIDTH)]
        held = overlap if number < len(clips) - 1 else 0
        made += sum(len(each) for each in fades.clip(parts, held))
    assert made == (sum(samples for samples, _ in clips) - overlap * (len(clips) - 1)) * WIDTH


def test_a_cross_fade_of_sound_goes_from_one_to_the_other() -> None:
    one, none = array("f", [0.5] * 2000).tobytes(), bytes(8000)
    falling = array("f", crossfaded(one, none))[::2]
    assert falling[0] > 0.49
    assert falling[-1] < 0.01
    assert list(falling) == sorted(falling, reverse=True)


@given(st.integers(1, 60_000))
@settings(max_examples=15, deadline=None)
def test_a_clips_sound_is_as_long_as_asked(samples: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = clap(Path(folder) / "a.mp4", frames=6, at=2, sound=44_100, layout="mono")
        assert sum(len(data) for data in clip_samples(path, samples)) == samples * WIDTH
