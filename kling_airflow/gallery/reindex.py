"""The index of a gallery made anew from the sidecars: for clips that landed before there was an index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kling_airflow.gallery.entry import GalleryEntry, is_path
from kling_airflow.gallery.folder import Folder
from kling_airflow.gallery.index import IndexWriter, newest_first
from kling_airflow.media.sidecar import Sidecar

_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Reindexed:
    """What was found.

    :param entries: how many clips and films the index has now.
    :param skipped: JSON files beside an MP4 file that are no sidecars, or not usable ones.
    """

    entries: int
    skipped: tuple[str, ...]


def reindex(folder: Folder, progress: Callable[[int, int], None] = lambda done, of: None) -> Reindexed:
    """Read every sidecar below the gallery's folder and write its index anew.

    Landings may go on meanwhile: their entries stay. Entries of clips that are gone are dropped.

    :param progress: is told how many sidecars are read, of how many.
    :raises StorageFailed: the store refused.
    """
    writer = IndexWriter(folder)
    earlier = writer.files()
    keys = set(folder.keys())
    found: list[GalleryEntry] = []
    skipped: list[str] = []
    clips = sorted(key for key in keys if is_path(key, ".mp4") and f"{key.removesuffix('.mp4')}.json" in keys)
    for start in range(0, len(clips), _AT_ONCE):
        part = clips[start : start + _AT_ONCE]
        sidecars = folder.read_many([f"{clip.removesuffix('.mp4')}.json" for clip in part])
        for clip, data in zip(part, sidecars, strict=True):
            sidecar = Sidecar.parse(data)
            try:
                if sidecar is None:
                    raise ValueError("no sidecar")
                found.append(GalleryEntry.of(sidecar, clip))
            except ValueError:
                skipped.append(f"{clip.removesuffix('.mp4')}.json")
        progress(start + len(part), len(clips))
    entries = newest_first(found)
    writer.replace(entries, earlier)
    return Reindexed(len(entries), tuple(skipped))
