"""Chapters put into a finished file: read back by FFmpeg, and no picture or sound is touched."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.clip_packets import packet_hash
from kling_airflow.media.film.chapters import MOST, write_chapters
from tests.media.film.clips import clap

needs_reading = pytest.mark.skipif(
    not hasattr(av.container.InputContainer, "chapters"), reason="this PyAV can't read chapters"
)


@pytest.fixture(scope="module", params=["faststart", ""])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip whose index stands before, or behind, its packets."""
    folder = tmp_path_factory.mktemp("film")
    path = clap(folder / "film.mp4")
    if not request.param:
        return path
    with (
        av.open(str(path)) as source,
        av.open(str(folder / "fast.mp4"), "w", format="mp4", options={"movflags": "faststart"}) as sink,
    ):
        tracks = {stream.index: sink.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream_index]
                sink.mux_one(packet)
    return folder / "fast.mp4"


def read_back(path: Path) -> list[tuple[float, str]]:
    with av.open(str(path)) as container:
        return [
            (float(chapter["start"] * chapter["time_base"]), chapter["metadata"].get("title", ""))
            for chapter in container.chapters()
        ]


TITLES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=300)


@needs_reading
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(titles=st.lists(TITLES, min_size=1, max_size=12))
def test_any_titles_are_read_back(film: Path, tmp_path: Path, titles: list[str]) -> None:
    path = tmp_path / "film.mp4"
    shutil.copyfile(film, path)
    chapters = [(number / 16, title) for number, title in enumerate(titles)]
    write_chapters(path, chapters)
    for (begin, title), (found_begin, found) in zip(chapters, read_back(path), strict=True):
        assert found_begin == pytest.approx(begin, abs=0.001)
        assert title.startswith(found)
        assert found == title or len(found.encode()) > 251  # cut at the end of a character
    assert packet_hash(path) == packet_hash(film)
    assert [each.name for each in tmp_path.iterdir()] == ["film.mp4"]


@needs_reading
def test_more_chapters_than_there_is_room_for(film: Path, tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    shutil.copyfile(film, path)
    write_chapters(path, [(number / 1000, f"{number}") for number in range(MOST + 20)])
    assert [title for _, title in read_back(path)] == [f"{number}" for number in range(MOST)]
    assert check_clip(path, duration=1, sound=True).width == 64


@pytest.mark.parametrize("data", [b"", b"\0\0\0\x10ftypisomisom", b"\0\0\0\2mdat"])
def test_a_file_without_an_index_stays_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="the file"):
        write_chapters(path, [(0, "x")])
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("film.mp4", data)]
