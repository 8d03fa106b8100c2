"""The index of a gallery: what was landed, without a look at each sidecar.

An object store has no append. So each landing creates a small file of its own, and from time to time one of
them packs the loose files, and the segments that are not full, into one segment::

    .kling-gallery/1/entries/8226437212-9f2c....json      one landing
    .kling-gallery/1/segments/005000-1b7e....json.gz      up to some thousands

No file is ever changed, and a file is removed only by a writer that has itself stored a newer segment with
all its entries. So no entry is lost, however many workers write and pack at the same time; at worst an entry
stands in two files.
"""

from __future__ import annotations

import gzip
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from kling_airflow.errors import StorageFailed
from kling_airflow.gallery.entry import INDEX, GalleryEntry
from kling_airflow.gallery.folder import Folder

log = logging.getLogger(__name__)

ENTRIES: Final = f"{INDEX}/1/entries"
SEGMENTS: Final = f"{INDEX}/1/segments"
PACK_AT: Final = 16
"""Loose files from which on a landing may pack them; about one landing in eight does.

Each loose file costs the first page after a start of the API server one read."""
PACK_ALWAYS_AT: Final = 128
"""Loose files from which on every landing packs them."""
FULL: Final = 5000
"""Entries from which on a segment is left as it is."""
_SEGMENT: Final = re.compile(r"(\d{6,})-[0-9a-f]{16}\.json\.gz")
_ENTRY: Final = re.compile(r"\d{10}-[0-9a-f]{16}\.json")
_ATTEMPTS: Final = 8


class IndexWriter:
    """Adds landings to the index of a gallery.

    :param folder: the gallery's.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def add(self, entry: GalleryEntry) -> None:
        """Keep an entry, and pack the index if it has many loose files.

        :raises StorageFailed: the store refused.
        """
        self.folder.write(f"{ENTRIES}/{entry.key}", msgspec.json.encode(entry))
        loose = len(_only(_ENTRY, self.folder.names(ENTRIES)))
        if loose >= PACK_ALWAYS_AT or (loose >= PACK_AT and int(entry.id[:2], 16) % 8 == 0):
            self.pack()

    def pack(self) -> int:
        """Pack loose files and small segments into one segment; return how many entries that has.

        Nothing is done if another writer is packing: a file that was listed is gone then.

        :raises StorageFailed: the store refused.
        """
        loose = [f"{ENTRIES}/{name}" for name in _only(_ENTRY, self.folder.names(ENTRIES))]
        segments = _only(_SEGMENT, self.folder.names(SEGMENTS))
        small = [f"{SEGMENTS}/{name}" for name in segments if int(name.partition("-")[0]) < FULL]
        keys = loose + small
        if not loose:
            return 0
        contents = self.folder.read_many(keys)
        if any(data is None for data in contents):
            log.info("The gallery's index is being packed by another landing.")
            return 0
        found, packed = [], []
        for key, data in zip(keys, contents, strict=True):
            entries = decode(key, data)
            if entries is not None:  # what can't be read stays where it is
                found += entries
                packed.append(key)
        kept = newest_first(found)
        self._store(kept)
        self.folder.delete(packed)
        return len(kept)

    def replace(self, entries: Sequence[GalleryEntry], earlier: Sequence[str]) -> None:
        """Store the entries of a whole gallery, and remove the files that stood for them before."""
        for start in range(0, len(entries), FULL):
            self._store(entries[start : start + FULL])
        self.folder.delete(earlier)

    def files(self) -> list[str]:
        """Return the keys of all files of the index."""
        loose = [f"{ENTRIES}/{name}" for name in _only(_ENTRY, self.folder.names(ENTRIES))]
        return loose + [f"{SEGMENTS}/{name}" for name in _only(_SEGMENT, self.folder.names(SEGMENTS))]

    def _store(self, entries: Sequence[GalleryEntry]) -> None:
        name = f"{len(entries):06d}-{secrets.token_hex(8)}.json.gz"
        self.folder.write(
            f"{SEGMENTS}/{name}", gzip.compress(msgspec.json.encode(entries), compresslevel=5, mtime=0)
        )


class Index:
    """Reads the index, and keeps in memory what it has read; one for each process, shared by its threads.

    :param folder: the gallery's.
    :param max_age: seconds for which the store isn't asked again.
    :param now: the clock, monotonic seconds.
    """

    def __init__(
        self, folder: Folder, *, max_age: float = 2.0, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder = folder
        self._max_age, self._now = max_age, now
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._files: dict[str, list[GalleryEntry]] = {}
        self._entries: list[GalleryEntry] = []
        self._ids: tuple[list[GalleryEntry], dict[str, GalleryEntry]] = ([], {})

    def entries(self) -> list[GalleryEntry]:
        """Return all entries, the newest first, one for each path; not to be changed.

        :raises StorageFailed: the store gives no answer.
        """
        with self._lock:
            if self._now() - self._read_at > self._max_age:
                self._refresh()
                self._read_at = self._now()
            return self._entries

    def find(self, entry_id: str) -> GalleryEntry | None:
        """Return the entry of an id; None if there is none."""
        entries = self.entries()
        known, by_id = self._ids
        if known is not entries:
            by_id = {entry.id: entry for entry in entries}
            self._ids = (entries, by_id)
        return by_id.get(entry_id)

    def of_request(self, request_id: str) -> list[GalleryEntry]:
        """Return the entries of a request, the newest first."""
        return [entry for entry in self.entries() if entry.request_id == request_id]

    def _refresh(self) -> None:
        for _ in range(_ATTEMPTS):
            # Loose files first: what is packed between the two looks is then in a segment that is listed.
            keys = [f"{ENTRIES}/{name}" for name in _only(_ENTRY, self.folder.names(ENTRIES))]
            keys += [f"{SEGMENTS}/{name}" for name in _only(_SEGMENT, self.folder.names(SEGMENTS))]
            if set(keys) == set(self._files):
                return
            new = [key for key in keys if key not in self._files]
            contents = self.folder.read_many(new)
            if any(data is None for data in contents):
                continue  # it was packed meanwhile
            read = {key: decode(key, data) or [] for key, data in zip(new, contents, strict=True)}
            self._files = {key: read[key] if key in read else self._files[key] for key in keys}
            self._entries = newest_first(entry for found in self._files.values() for entry in found)
            return
        raise StorageFailed(f"The index of the gallery {self.folder.uri} changes faster than it can be read.")


def decode(key: str, data: bytes | None) -> list[GalleryEntry] | None:
    """Return the entries in a file of the index; None if it can't be read. Unsound entries are left out."""
    try:
        if key.startswith(ENTRIES):
            found = [msgspec.json.decode(data or b"", type=GalleryEntry)]
        else:
            found = msgspec.json.decode(gzip.decompress(data or b""), type=list[GalleryEntry])
    except (msgspec.DecodeError, OSError, EOFError, ValueError) as error:
        log.warning("%s of the gallery's index can't be read (%s), and is left out.", key, error)
        return None
    return [entry for entry in found if entry.is_sound]


def newest_first(entries: Iterable[GalleryEntry]) -> list[GalleryEntry]:
    """Return the entries, newest first; of several landings at one path only the last."""
    found: dict[str, GalleryEntry] = {}
    for entry in entries:
        earlier = found.get(entry.path)
        if earlier is None or (entry.landed_at, entry.sha256) > (earlier.landed_at, earlier.sha256):
            found[entry.path] = entry
    return sorted(found.values(), key=lambda entry: (entry.landed_at, entry.path), reverse=True)


def _only(pattern: re.Pattern[str], names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if pattern.fullmatch(name))
