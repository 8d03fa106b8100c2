"""The index of a gallery: no entry is lost, however many write and pack at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_airflow.errors import StorageFailed
from kling_airflow.gallery import index as index_module
from kling_airflow.gallery.folder import Folder
from kling_airflow.gallery.index import ENTRIES, SEGMENTS, Index, IndexWriter
from kling_airflow.gallery.settings import open_gallery
from tests.gallery.sidecars import entry
from tests.s3 import S3


def reader(folder: Folder) -> Index:
    return Index(folder, max_age=-1)


def test_the_newest_landing_comes_first(folder: Folder) -> None:
    writer, index = IndexWriter(folder), reader(folder)
    assert index.entries() == []
    for number in (2, 3, 1):
        writer.add(entry(number))
    assert index.entries() == [entry(3), entry(2), entry(1)]
    assert index.find(entry(2).id) == entry(2)
    assert index.find("0" * 24) is None
    assert index.of_request("request-00003") == [entry(3)]


def test_a_landing_that_is_run_again_is_one_entry(folder: Folder) -> None:
    for _ in range(2):
        IndexWriter(folder).add(entry(1))
    assert len(folder.names(ENTRIES)) == 1


def test_of_two_landings_at_one_path_the_later_counts(folder: Folder) -> None:
    writer = IndexWriter(folder)
    later = entry(2, path="x.mp4")
    for each in (later, entry(1, path="x.mp4")):
        writer.add(each)
    index = reader(folder)
    assert index.entries() == [later]
    writer.pack()
    assert index.entries() == [later]


def test_packing_changes_nothing_that_is_read(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "FULL", 5)
    writer, warm = IndexWriter(folder), reader(folder)
    for number in range(12):
        writer.add(entry(number))
        if number % 3 == 2:
            writer.pack()
        expected = [entry(each) for each in range(number, -1, -1)]
        assert warm.entries() == expected
        assert reader(folder).entries() == expected
    assert folder.names(ENTRIES) == []
    assert sorted(int(name[:6]) for name in folder.names(SEGMENTS)) == [6, 6]
    assert writer.pack() == 0


def test_many_loose_files_are_packed_by_landings(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "PACK_AT", 3)
    monkeypatch.setattr(index_module, "PACK_ALWAYS_AT", 10)
    for number in range(25):
        IndexWriter(folder).add(entry(number))
    assert len(folder.names(ENTRIES)) < 10
    assert len(reader(folder).entries()) == 25


def test_what_cannot_be_read_is_left_out_and_kept(folder: Folder) -> None:
    writer = IndexWriter(folder)
    writer.add(entry(1))
    torn = f"{ENTRIES}/{entry(2).key}"
    folder.write(torn, b'{"path": "x')
    folder.write(f"{SEGMENTS}/000003-{'0' * 16}.json.gz", b"no gzip")
    folder.write(f"{ENTRIES}/notes.txt", b"not ours")
    assert reader(folder).entries() == [entry(1)]
    assert writer.pack() == 1
    assert reader(folder).entries() == [entry(1)]
    assert folder.read(torn) is not None


def test_a_forged_entry_never_leads_out_of_the_gallery(folder: Folder) -> None:
    good = entry(1)
    forged = b'{"path":"../../secret.mp4",' + index_module.msgspec.json.encode(good).split(b",", 1)[1]
    folder.write(f"{ENTRIES}/{entry(2).key}", forged)
    assert reader(folder).entries() == []


def test_a_store_without_an_answer_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_gallery((tmp_path / "gallery").as_uri())
    IndexWriter(folder).add(entry(1))
    monkeypatch.setattr(type(folder.fs), "ls", _refuse)
    with pytest.raises(StorageFailed, match="can't be listed"):
        reader(folder).entries()


def _refuse(*_: Any, **__: Any) -> None:
    raise PermissionError("no")


def _land(address: str, numbers: range) -> None:
    """One worker: writes, and packs whenever it can."""
    index_module.PACK_AT = 2  # type: ignore[misc]
    index_module.PACK_ALWAYS_AT = 8  # type: ignore[misc]
    index_module.FULL = 40  # type: ignore[misc]
    writer = IndexWriter(open_gallery(address))
    for number in numbers:
        writer.add(entry(number))


@pytest.mark.parametrize("store", ["file", "s3"])
def test_workers_that_write_and_pack_at_once_lose_nothing(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if store == "file":
        address, each = (tmp_path / "gallery").as_uri(), 60
    else:
        server: S3 = request.getfixturevalue("s3")
        address, each = f"s3://{S3.conn_id}@{server.bucket()}", 25
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_land, args=(address, range(n * each, (n + 1) * each))) for n in range(4)]
    for worker in workers:
        worker.start()
    index, seen = reader(open_gallery(address)), 0
    while any(worker.is_alive() for worker in workers):
        now = len(index.entries())
        assert now >= seen  # a reader never sees fewer than before
        seen = now
    assert [worker.exitcode for worker in workers] == [0] * 4
    expected = {f"request-{number:05d}" for number in range(4 * each)}
    for one in (index, reader(open_gallery(address))):
        assert {found.request_id for found in one.entries()} == expected


@settings(max_examples=30)
@given(steps=st.lists(st.integers(0, 40) | st.just("pack"), max_size=40))
def test_any_order_of_landings_and_packing_reads_the_same(
    steps: list[int | str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = open_gallery(tmp_path_factory.mktemp("gallery").as_uri())
    writer, warm, landed = IndexWriter(folder), reader(folder), set()
    for step in steps:
        if step == "pack":
            writer.pack()
        else:
            writer.add(entry(int(step)))
            landed.add(int(step))
        assert warm.entries() == [entry(number) for number in sorted(landed, reverse=True)]
    assert reader(folder).entries() == warm.entries()
