"""The clips of a film as a task is given them: read, and brought to the local disk."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kling_airflow.addresses import is_http, shown
from kling_airflow.arguments import read_structure
from kling_airflow.errors import InvalidArgument, KlingError
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.hooks.clip_source import address_of, fetch_allowed
from kling_airflow.hooks.storage import StoredObject
from kling_airflow.media.credentials import find_credentials
from kling_airflow.media.film.shot import Shot
from kling_airflow.media.limits import DOWNLOAD_SECONDS
from kling_airflow.media.sidecar import Sidecar
from kling_airflow.task.shot_failure import raise_if_failed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilmSource:
    """Where clips are read from.

    :param written: what the operator noted in its ``__init__``.
    :param conn_id: connection of the clips' store.
    :param max_bytes: a larger clip is refused.
    """

    written: WrittenPlaces
    conn_id: str | None
    max_bytes: int


def read_clips(value: object) -> list[Any]:
    """Return the clips of a film, in their order: addresses, or what tasks returned about them.

    :raises InvalidArgument: no list, an empty one, or one with a hole: a film without one of its shots is not
        what was meant.
    """
    value = read_structure(value)
    if isinstance(value, Mapping | str) and value:
        value = [value]
    if value is None or isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidArgument(
            f"`clips` is {shown(value)!r}; it must be a list of addresses, or of what landings returned."
        )
    found = [read_structure(clip) for clip in value]
    if not found:
        raise InvalidArgument("`clips` is empty; a film has 1 clip or more.")
    for number, clip in enumerate(found, 1):
        raise_if_failed(clip)
        if not clip:
            raise InvalidArgument(
                f"`clips` has nothing at position {number} of {len(found)}: that shot has no clip.",
                todo="Make that clip first, or leave its position out on purpose.",
            )
        address_of(clip, f"clips[{number - 1}]")
    return found


def fetch_clips(clips: list[Any], source: FilmSource, folder: Path) -> tuple[list[Path], list[Shot]]:
    """Bring the clips to the local disk, one after the other, each in constant memory.

    :return: the files, and what is known of each clip, by the task that made it and by its sidecar.
    :raises InvalidArgument: an address that is malformed, not allowed, or leads to nothing.
    :raises DownloadFailed: over http(s), a clip didn't arrive.
    :raises StorageFailed: the store refused.
    """
    paths, shots = [], []
    for number, clip in enumerate(clips):
        field, path = f"clips[{number}]", folder / f"clip-{number:04}.mp4"
        fetched = fetch_allowed(
            clip,
            field,
            source.written,
            path,
            conn_id=source.conn_id,
            max_bytes=source.max_bytes,
            deadline=DOWNLOAD_SECONDS,
        )
        shot = _described(Shot.read(clip, fetched.uri), address_of(clip, field), source.conn_id)
        credentials = find_credentials(path)
        paths.append(path)
        shots.append(replace(shot, sha256=fetched.sha256, bytes=fetched.bytes, credentials=credentials))
    log.info("Fetched %d clips, %d bytes.", len(shots), sum(shot.bytes for shot in shots))
    return paths, shots


def _described(shot: Shot, address: str, conn_id: str | None) -> Shot:
    """Return a shot with what the sidecar beside its clip says; a clip without one is fine."""
    if is_http(address):
        return shot
    try:
        raw = StoredObject(address, conn_id=conn_id, field="clips").sibling(".json").read(Sidecar.MAX_BYTES)
        content = json.loads(raw or b"{}")
    except (KlingError, ValueError):
        return shot
    return shot.with_sidecar(content) if isinstance(content, Mapping) else shot
