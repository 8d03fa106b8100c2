"""What a file can be: the record that ``file_type`` answers with."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DAMAGE_ADVICE = (
    "Store the picture again from its source. If it looks right in a viewer, save it anew from there."
)
"""What to do about a damaged picture, for errors."""


class FileKind(StrEnum):
    """What a file is used for."""

    PICTURE = "picture"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"
    TEXT = "text"
    ARCHIVE = "archive"
    DAMAGED = "damaged"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class FileType:
    """The type of a file.

    :param name: how people call it, with an article: "a JPEG picture", "an HTML page".
    :param kind: what it is used for.
    :param todo: what to do if a picture or a clip was expected; empty for the usual types of both.
    """

    name: str
    kind: FileKind
    todo: str = ""
