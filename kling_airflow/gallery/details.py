"""A landing with its whole sidecar: prompt, frames, checks, shots, further files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from kling_airflow.gallery.entry import GalleryEntry, is_path
from kling_airflow.gallery.folder import Folder
from kling_airflow.gallery.frames import ClipFrame, frames_of
from kling_airflow.media.sidecar import Sidecar

_SUFFIX: Final = re.compile(r"(?:\.\d{1,2}x\d{1,2}\.mp4|\.gif|\.webp|\.vtt|\.srt|\.otio)")


@dataclass(frozen=True)
class Details:
    """What a request's page shows of one landing.

    :param entry: what the index says.
    :param sidecar: the sidecar's content; empty if it is gone, or is another landing's by now.
    """

    entry: GalleryEntry
    sidecar: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        """The whole prompt, or what the index has kept of it."""
        asked = self.sidecar.get("asked")
        prompt = asked.get("prompt") if isinstance(asked, Mapping) and self.entry.kind == "clip" else None
        return str(prompt or self.entry.prompt)

    @property
    def frames(self) -> list[ClipFrame]:
        """The frames that the clip was made of."""
        return frames_of(self.sidecar)

    @property
    def checks(self) -> list[tuple[str, str]]:
        """What was checked, and how it came out."""
        checks = self.sidecar.get("checks")
        return (
            [(str(name), str(text)) for name, text in checks.items()] if isinstance(checks, Mapping) else []
        )

    @property
    def shots(self) -> list[Mapping[str, Any]]:
        """The clips of a film."""
        return [shot for shot in self.sidecar.get("shots") or () if isinstance(shot, Mapping)]

    @property
    def files(self) -> list[tuple[str, str, int]]:
        """Kind, suffix and size of each further file that can be served."""
        files = [file for file in self.sidecar.get("files") or () if isinstance(file, Mapping)]
        return [
            (str(file.get("kind")), str(file.get("name")), int(file.get("bytes") or 0))
            for file in files
            if _SUFFIX.fullmatch(str(file.get("name")))
        ]


def details_of(folder: Folder, entry: GalleryEntry) -> Details:
    """Return the details of a landing, from the sidecar that was written with it."""
    sidecar = Sidecar.parse(folder.read(entry.beside(".json")))
    same = (
        sidecar is not None
        and (sidecar.request_id, sidecar.sha256) == (entry.request_id, entry.sha256)
        and str(sidecar.landed_by.get("dag_id") or "") == entry.dag_id
    )
    return Details(entry, sidecar.content if sidecar is not None and same else {})


def film_file(details: Details, suffix: str) -> tuple[str, int] | None:
    """Return path and size of a further file of a film; None if the sidecar names none of that suffix."""
    for _, name, size in details.files:
        path = details.entry.beside(name)
        if name == suffix and is_path(path, name):
            return path, size
    return None
