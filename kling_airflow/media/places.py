"""The places that a landing writes to: the clip, its poster, its sidecar, and the claim while it writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Place(Protocol):
    """One object of a store, there or not."""

    @property
    def uri(self) -> str:
        """Its address, without credentials or connection ids."""

    def sibling(self, suffix: str) -> Place:
        """Return the object of the same name with another suffix."""

    def size(self) -> int | None:
        """Return its size in bytes; None if there is nothing, or looking isn't permitted."""

    def read(self, limit: int) -> bytes | None:
        """Return its first ``limit`` bytes; None if there is nothing, b"" if reading isn't permitted."""

    def sha256(self) -> str:
        """Return the hash of what is stored, in hex."""

    def create(self, data: bytes) -> bool:
        """Store some bytes if there is nothing, decided in one step; return whether the object is ours."""

    def write_file(self, path: Path, content_type: str) -> None:
        """Store a local file, whole or not at all, in constant memory."""

    def write(self, data: bytes, content_type: str) -> None:
        """Store some bytes, whole or not at all."""

    def delete(self) -> None:
        """Remove it, if it is there."""


@dataclass(frozen=True)
class Places:
    """Where a landing's parts go.

    :param clip: the MP4 file.
    :param sidecar: the JSON file that is written last.
    :param poster: the JPEG file.
    """

    clip: Place
    sidecar: Place
    poster: Place

    @property
    def claim(self) -> Place:
        """The file that stands while a landing writes: it keeps a second landing away."""
        return self.clip.sibling(".landing.json")

    def named(self) -> Iterator[tuple[str, Place]]:
        """Yield what is written, each with its name for errors."""
        yield "the clip", self.clip
        yield "the sidecar", self.sidecar
        yield "the poster", self.poster
