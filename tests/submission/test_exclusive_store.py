from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from kling_airflow.errors import InvalidArgument, LedgerUnavailable
from kling_airflow.submission.exclusive_store import LocalStore, Store, open_store

WRITERS = 16


def race(store: Store, key: str) -> list[bytes]:
    """Let many writers create one file at the same moment; return what those wrote who believe they did."""
    start = threading.Barrier(WRITERS)
    winners: list[bytes] = []

    def create(data: bytes) -> None:
        start.wait()
        if store.create(key, data):
            winners.append(data)

    threads = [threading.Thread(target=create, args=(f"writer {n}".encode(),)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return winners


@pytest.mark.parametrize("kind", [Path, UPath, lambda folder: UPath(f"file://{folder}")])
def test_local_folders_of_every_kind(kind: Any, tmp_path: Path) -> None:
    store = open_store(kind(tmp_path))
    assert store.create("a/b.json", b"one")
    assert (tmp_path / "a/b.json").read_bytes() == b"one"
    assert store.uri == f"file://{tmp_path}"


def test_of_many_writers_exactly_one_creates_a_file(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(20):
        winners = race(store, f"file-{number}")
        assert len(winners) == 1
        assert store.read(f"file-{number}") == winners[0]


def test_nothing_but_whole_files_is_left(tmp_path: Path) -> None:
    race(open_store(tmp_path), "folder/file")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


def test_a_death_while_writing_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        open_store(tmp_path).create("file", b"record")
    assert list(tmp_path.iterdir()) == []


def test_our_own_file_is_ours_when_created_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.create("file", b"ours")
    assert store.create("file", b"ours")
    assert not store.create("file", b"another's")
    assert store.read("file") == b"ours"


def test_what_is_not_there(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert (store.read("no"), store.names("no"), store.keys("no")) == (None, [], [])


def test_what_is_there(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for key in ("a/1", "a/b/2", "a/b/3", "c/4"):
        store.create(key, b"x")
    assert sorted(store.names("a")) == ["1", "b"]
    assert sorted(store.names()) == ["a", "c"]
    assert sorted(store.keys("a")) == ["a/1", "a/b/2", "a/b/3"]
    assert len(store.keys()) == 4


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(LedgerUnavailable, match=r"file/folder can't be listed: NotADirectoryError"):
        store.names("file/folder")
    with pytest.raises(LedgerUnavailable, match=r"can't be listed"):
        store.keys("file/folder")
    with pytest.raises(LedgerUnavailable, match=r"loop can't be read: OSError"):
        store.read("loop")
    with pytest.raises(LedgerUnavailable, match=r"can't be created.*Nothing may be sent"):
        store.create("file/folder/x", b"x")


def test_a_mount_that_is_missing_is_not_an_empty_ledger(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"no such folder.*Make it once, by hand.*mount"):
        LocalStore(tmp_path / "mnt/ledger")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["memory://bucket/ledger", "github://org:repo@main/ledger", "data:,x"])
def test_a_store_that_is_not_known_to_be_exclusive_is_refused_by_name(uri: str) -> None:
    scheme = uri.partition(":")[0]
    with pytest.raises(InvalidArgument, match=rf"{scheme}://.*not known.*Use s3://"):
        open_store(UPath(uri))
