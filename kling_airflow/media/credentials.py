"""Credentials that a vendor put into a clip (C2PA): found without a library, and named in the sidecar.

C2PA 2.1, A.5 ("Embedding manifests into BMFF-based assets"): a ``uuid`` box at the top of the file holds the
manifest store. They are bound to the file's bytes: a landing stores a clip byte by byte, so that they stay
valid; a film is another file, so that they can't.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

C2PA = UUID("d8fec3d6-1b0e-483c-9297-5828877ec481").bytes
"""The type of the box that holds a manifest store."""

_PURPOSE = b"manifest\0"
_MOST_BOXES = 10_000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Credentials:
    """The credentials in a file.

    :param bytes: of the manifest store and its box.
    :param sha256: of the same, in hex: whether two files have the same credentials.
    :param label: of the first manifest, such as "urn:c2pa:..."; "" if it can't be read.
    """

    bytes: int
    sha256: str
    label: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return what the sidecar says. Whether they are valid is not checked."""
        return {"kind": "c2pa", "bytes": self.bytes, "sha256": self.sha256, "label": self.label or None}


def find_credentials(path: Path) -> Credentials | None:
    """Return the credentials in an MP4 file; None if there are none. Pictures and sound are not read."""
    with path.open("rb") as file:
        for kind, begin, end in _boxes(file, path.stat().st_size):
            if kind != b"uuid":
                continue
            file.seek(begin)
            if file.read(16) == C2PA and _PURPOSE in file.read(4 + len(_PURPOSE)):
                return _read(file, begin, end)
    return None


def _read(file: BinaryIO, begin: int, end: int) -> Credentials:
    file.seek(begin)
    digest, left, head = hashlib.sha256(), end - begin, b""
    while left > 0 and (block := file.read(min(_BLOCK, left))):
        head = head or block
        digest.update(block)
        left -= len(block)
    return Credentials(end - begin - left, digest.hexdigest(), _label(head))


def _label(head: bytes) -> str:
    """Return the label of the first manifest: a text in the JUMBF description box."""
    for prefix in (b"urn:c2pa:", b"urn:uuid:"):
        at = head.find(prefix)
        if at >= 0:
            return head[at : head.find(b"\0", at)][:200].decode("ascii", "replace")
    return ""


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes at the top of a file: type, begin and end of the content."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind, inner = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1:
            length, inner = int.from_bytes(head[8:16], "big"), 16
        length = length or size - at
        if length < inner:
            return
        yield kind, at + inner, min(at + length, size)
        at += length
