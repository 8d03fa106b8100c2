"""Whose picture stands at a destination: frames and contact sheets, which have no sidecar, name their task.

A comment in the file's metadata names the task that stored the picture, as a hash, because a frame is read by
anyone after its upload. What the picture shows, and so the identity of an order, is the same with it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

from kling_airflow.addresses import shown
from kling_airflow.errors import DestinationTaken, Money
from kling_airflow.media.image_comment import with_comment
from kling_airflow.media.landing_claim import OVERWRITE, TASK_NAMES
from kling_airflow.media.picture_identity import picture_identity
from kling_airflow.media.places import Place

log = logging.getLogger(__name__)

_MOST_BYTES: Final = 100_000_000
_MARK: Final = "kling_airflow task "
_MARKED: Final = re.compile(rb"kling_airflow task ([0-9a-f]{32})")
_HEAD: Final = 1 << 18  # bytes: color profiles stand before the comment


class PictureClaim:
    """Stores a task's pictures, and none over the picture of another.

    The next run of the same task, and a retry, replace what the task has stored; so does any task whose
    picture shows the same.

    :param task: the task that stores: ``dag_id, task_id, map_index``; None outside of a task.
    :param overwrite: whether to replace any file.
    """

    def __init__(self, task: Mapping[str, Any] | None, *, overwrite: bool) -> None:
        self._owner = None if task is None else _hash_of(task)
        self._overwrite = overwrite

    def marked(self, picture: bytes) -> bytes:
        """Return a picture with the comment that names its task.

        :param picture: a JPEG or PNG file.
        """
        return picture if self._owner is None else with_comment(picture, f"{_MARK}{self._owner}")

    def refuse_other(self, place: Place, picture: bytes, what: str) -> None:
        """Refuse to write over what this task has not stored.

        :param what: what would be written, for the error.
        :raises DestinationTaken: another picture, or any other file, stands there.
        """
        if self._overwrite or place.size() is None:
            return
        found = _MARKED.search(place.read(_HEAD) or b"")
        if found is not None and found[1].decode() == self._owner:
            return
        stored = place.read(_MOST_BYTES)
        if not stored or picture_identity(stored) == picture_identity(picture):
            return  # empty: a write that was killed, or reading isn't permitted
        whose = "another task has stored it" if found is not None else "no task has stored it"
        raise DestinationTaken(
            f"`destination`: {shown(place.uri)}, where {what} would go, exists, and {whose}.",
            money=Money.UNSPENT,
            todo=OVERWRITE,
        )

    def store(self, place: Place, picture: bytes, what: str) -> bytes:
        """Write a picture, and return the bytes that are stored.

        :param picture: a JPEG or PNG file.
        :param what: what is written, for errors.
        :raises DestinationTaken: another picture, or any other file, stands there.
        :raises StorageFailed: the store refused.
        """
        self.refuse_other(place, picture, what)
        return self.write(place, picture)

    def write(self, place: Place, picture: bytes) -> bytes:
        """Write a picture whose place has been looked at, and return the bytes that are stored."""
        data = self.marked(picture)
        place.write(data, "image/png" if data.startswith(b"\x89PNG") else "image/jpeg")
        return data


def _hash_of(task: Mapping[str, Any]) -> str:
    names = json.dumps([task.get(name) for name in TASK_NAMES])
    return hashlib.sha256(names.encode()).hexdigest()[:32]
