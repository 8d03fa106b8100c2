"""What the index keeps of a sidecar."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gallery.entry import AS_ASKED, DIFFERS, INDEX, NOT_CHECKED, GalleryEntry, is_path
from kling_airflow.media.sidecar import Sidecar
from tests.gallery.sidecars import clip_sidecar, entry, film_sidecar


def test_a_clip_in_short() -> None:
    short = entry(7, poster={"uri": "s3://clips/7.jpg", "sha256": "a" * 64, "bytes": 9})
    assert (short.kind, short.request_id, short.path) == ("clip", "request-00007", "clips/00007.mp4")
    assert (short.seconds, short.width, short.height, short.has_audio) == (5.04, 1280, 720, True)
    assert (short.dag_id, short.run_id, short.task_id, short.map_index) == (
        "rockets",
        "manual__1",
        "land",
        -1,
    )
    assert (short.cost_usd, short.state, short.has_poster, short.day) == (1.26, AS_ASKED, True, "2026-11-27")
    assert short.beside(".jpg") == "clips/00007.jpg"


def test_a_film_in_short() -> None:
    short = GalleryEntry.of(Sidecar(film_sidecar()), "film.mp4")
    assert (short.kind, short.cost_usd, short.state) == ("film", 2.52, AS_ASKED)
    assert short.prompt == "Rocket 1 lifts off. / It flies."


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, AS_ASKED),
        ({"checks": {"duration": "not checked", "sound": "not checked"}, "asked": {}}, NOT_CHECKED),
        ({"checks": {"duration": "5.04 s, asked for 5 s", "sound": "not checked"}}, NOT_CHECKED),
        ({"asked": {"duration": 9.0}}, DIFFERS),
        ({"checks": {"duration": "x", "sound": "silent, though sound was asked for"}}, DIFFERS),
        ({"checks": {"duration": "x", "sound": "has sound for 1.00 s of 5.00 s"}}, DIFFERS),
        ({"checks": {"duration": "x", "sound": "has none, as asked for", "pictures": "1 of 2"}}, DIFFERS),
    ],
)
def test_the_state_says_what_the_checks_came_to(changes: dict[str, Any], state: str) -> None:
    assert entry(**changes).state == state


def test_the_newest_sorts_first_and_the_same_landing_has_the_same_key() -> None:
    keys = [entry(number).key for number in (3, 2, 1)]
    assert keys == sorted(keys)
    assert entry(3).key == keys[0]
    assert len({entry(3).id, entry(3, path="other.mp4").id, entry(4).id}) == 3


@pytest.mark.parametrize(
    "path",
    [
        "../x.mp4",
        "a/../../x.mp4",
        "/etc/x.mp4",
        "a//x.mp4",
        "./x.mp4",
        "a\\..\\x.mp4",
        "x.mp4\n",
        "a\0.mp4",
        f"{INDEX}/1/x.mp4",
        "x.json",
        "",
        "x" * 2000 + ".mp4",
    ],
)
def test_a_path_out_of_the_gallery_is_refused(path: str) -> None:
    assert not is_path(path, ".mp4")
    with pytest.raises(ValueError, match="no path of the gallery"):
        GalleryEntry.of(Sidecar(clip_sidecar()), path)
    forged = msgspec.structs.replace(entry(), path=path)
    assert not forged.is_sound


@pytest.mark.parametrize(
    "changes",
    [
        {"landed_at": "yesterday"},
        {"clip": {"sha256": "a"}},
        {"request_id": "../x"},
        {"request_id": "<b>"},
        {"cost_usd": "free"},
        {"landed_by": {"map_index": "x"}},
    ],
)
def test_a_sidecar_that_is_not_ours_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        entry(**changes)


@given(prompt=st.text(max_size=1500), dag_id=st.text(max_size=600), cost=st.none() | st.floats(0, 1e6))
def test_an_entry_reads_back_as_it_was_written(prompt: str, dag_id: str, cost: float | None) -> None:
    made = entry(
        asked={"prompt": prompt},
        cost_usd=cost,
        landed_by={"dag_id": dag_id, "run_id": "r", "task_id": "t", "map_index": 3},
    )
    assert msgspec.json.decode(msgspec.json.encode(made), type=GalleryEntry) == made
