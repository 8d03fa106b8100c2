"""The cheaper decode of a check finds what the decode of a viewer finds, and nothing else."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from kling_airflow.errors import InvalidClip
from kling_airflow.media.clip_check import check_clip
from kling_airflow.media.clip_picture import Poster, poster
from kling_airflow.media.clip_reader import Track, opened, read_track
from tests.media.movies import picture, write_clip, write_pictures

SIZE = (160, 96)
CODECS: dict[str, tuple[str, dict[str, str]]] = {
    "H.264, CABAC, pictures in both directions": ("libx264", {"preset": "medium", "crf": "23", "bf": "3"}),
    "H.264, CAVLC": ("libx264", {"preset": "ultrafast", "crf": "20"}),
    "H.264, slices": ("libx264", {"preset": "fast", "x264-params": "slices=4"}),
    "HEVC": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=error"}),
    "VP9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "MPEG-4": ("mpeg4", {}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


@cache
def clip_of(codec: str, folder: Path) -> bytes:
    """A second of moving noise."""
    grain = [Image.merge("RGB", [Image.effect_noise(SIZE, 40) for _ in range(3)]) for _ in range(4)]
    pictures = [
        ImageChops.add(picture(at, 24, SIZE), grain[at % 4], scale=1, offset=-128) for at in range(24)
    ]
    name, options = CODECS[codec]
    return write_pictures(folder / "whole.mp4", pictures, codec=name, options=options).read_bytes()


def decoded(path: Path, *, is_shown: bool) -> Track | str:
    """What decoding every picture shows, or why there is none."""
    try:
        with opened(path, is_shown=is_shown) as (container, video):
            return read_track(container, video)
    except InvalidClip as error:
        return error.what


PLACE = st.floats(0.01, 0.999)
DAMAGE = st.one_of(
    st.tuples(st.just("bits"), st.lists(st.tuples(PLACE, st.integers(0, 7)), min_size=1, max_size=20)),
    st.tuples(st.just("zeros"), PLACE, st.sampled_from([2, 64, 500, 4096])),
    st.tuples(st.just("bytes"), PLACE, st.binary(min_size=1, max_size=300)),
    st.tuples(st.just("swap"), PLACE, PLACE, st.sampled_from([8, 64, 1000])),
    st.tuples(st.just("cut"), PLACE),
)


def damaged(data: bytes, damage: tuple[Any, ...]) -> bytes:
    changed, (kind, *rest) = bytearray(data), damage
    spots = [int(len(data) * part) for part in rest if isinstance(part, float)]
    if kind == "bits":
        for part, bit in rest[0]:
            changed[int(len(data) * part)] ^= 1 << bit
    elif kind == "zeros":
        until = min(len(data), spots[0] + rest[1])
        changed[spots[0] : until] = bytes(until - spots[0])
    elif kind == "bytes":
        changed[spots[0] : spots[0] + len(rest[1])] = rest[1]
    elif kind == "swap":
        one, other, length = *spots, rest[2]
        first, second = changed[one : one + length], changed[other : other + length]
        changed[one : one + len(second)], changed[other : other + len(first)] = second, first
    else:
        del changed[spots[0] :]
    return bytes(changed)


@pytest.mark.parametrize("codec", CODECS)
@given(damage=DAMAGE)
@settings(max_examples=40, deadline=None)
def test_the_same_pictures_are_found_damaged(folder: Path, codec: str, damage: tuple[Any, ...]) -> None:
    path = folder / "damaged.mp4"
    path.write_bytes(damaged(clip_of(codec, folder), damage))
    assert decoded(path, is_shown=False) == decoded(path, is_shown=True)


@pytest.mark.parametrize("codec", CODECS)
def test_a_whole_clip_is_whole(folder: Path, codec: str) -> None:
    path = folder / "whole.mp4"
    path.write_bytes(clip_of(codec, folder))
    found = decoded(path, is_shown=False)
    assert isinstance(found, Track)
    assert (found.shown, found.damaged) == (24, 0)


@pytest.mark.parametrize("blank", [0, 5])
def test_the_poster_of_a_check_is_the_one_that_is_taken_alone(tmp_path: Path, blank: int) -> None:
    path, found = write_clip(tmp_path / "clip.mp4", frames=48, blank=blank), Poster()
    check_clip(path, look_at_first=found.look)
    assert found.is_found == (not blank)
    if not blank:
        assert found.jpeg() == poster(path)


def test_pictures_that_are_looked_at_are_as_a_viewer_sees_them(folder: Path) -> None:
    """The check's own pictures are not: else it would save nothing."""
    path = folder / "whole.mp4"
    path.write_bytes(clip_of("H.264, CABAC, pictures in both directions", folder))
    seen: dict[bool, list[bytes]] = {}
    for is_shown in (True, False):
        with opened(path, is_shown=is_shown) as (container, video):
            found: list[bytes] = []
            read_track(container, video, lambda one, _, found=found: found.append(bytes(one.planes[0])))  # type: ignore[misc]
            seen[is_shown] = found
    assert seen[True][0] == seen[False][0]
    assert seen[True][1:] != seen[False][1:]
    looked: list[bytes] = []
    check_clip(path, look=lambda one, _: looked.append(bytes(one.planes[0])))
    assert looked == seen[True]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"avc1", b"zzz9", "names a codec that FFmpeg does not know"),
        (b"VideoHandler", b"Vid\xb5\xff\xfeHandle", None),
    ],
    ids=["unknown codec", "a text that is no UTF-8"],
)
def test_odd_headers(tmp_path: Path, old: bytes, new: bytes, said: str | None) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames=24)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    if said is None:
        assert check_clip(path).duration_seconds == 1
        assert Image.open(io.BytesIO(poster(path))).size == (320, 180)
        return
    with pytest.raises(InvalidClip, match=said):
        check_clip(path)
