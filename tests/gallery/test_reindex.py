"""The index made anew from the sidecars."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from kling_airflow.gallery.entry import GalleryEntry
from kling_airflow.gallery.folder import Folder
from kling_airflow.gallery.index import Index, IndexWriter
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from tests.gallery.sidecars import clip_sidecar, entry, film_sidecar, store_clip


def put(folder: Folder, path: str, sidecar: object) -> None:
    folder.write(path, b"clip")
    folder.write(f"{path.removesuffix('.mp4')}.json", json.dumps(sidecar).encode())


def test_what_landed_before_there_was_an_index_is_found(folder: Folder) -> None:
    put(folder, "a/1.mp4", clip_sidecar(1))
    put(folder, "a/b/2.mp4", clip_sidecar(2))
    put(folder, "film.mp4", film_sidecar())
    put(folder, "foreign.mp4", {"title": "another program's"})
    put(folder, "odd.mp4", clip_sidecar(3, landed_at="yesterday"))
    folder.write("a/report.json", b"{}")
    folder.write("a/1.landing.json", b"{}")
    folder.write("bare.mp4", b"no sidecar")
    found = reindex(folder)
    assert (found.entries, set(found.skipped)) == (3, {"foreign.json", "odd.json"})
    assert {each.path for each in Index(folder).entries()} == {"a/1.mp4", "a/b/2.mp4", "film.mp4"}
    assert reindex(folder).entries == 3


def test_clips_that_are_gone_go_and_what_lands_meanwhile_stays(folder: Folder) -> None:
    writer = IndexWriter(folder)
    for number in (1, 2, 3):
        writer.add(entry(number))
    writer.pack()
    put(folder, entry(2).path, clip_sidecar(2))
    late: list[GalleryEntry] = []

    def land(done: int, of: int) -> None:
        late.append(entry(9))
        writer.add(late[0])

    assert reindex(folder, land).entries == 1
    assert Index(folder).entries() == [late[0], entry(2)]


def test_the_index_that_landings_keep_is_the_one_that_reindex_makes(tmp_path: Path) -> None:
    for number in range(5):
        store_clip(tmp_path, f"{number}.mp4", number)
    folder = open_gallery(tmp_path.as_uri())
    reindex(folder)
    made = Index(folder).entries()
    kept = [
        msgspec.json.decode(msgspec.json.encode(each), type=GalleryEntry)
        for each in sorted(made, key=lambda each: each.landed_at, reverse=True)
    ]
    assert made == kept
