"""Names the type of a file by its first bytes: pictures, clips, and what people send in their place.

``detect_file_type`` serves pictures and clips alike. It reads no more than ``HEAD_BYTES`` and never decodes.
"""

from __future__ import annotations

from kling_airflow.media.file_kinds import FileKind, FileType
from kling_airflow.media.file_signature import EMPTY, UNKNOWN, guess_type, match_signature
from kling_airflow.media.text_type import detect_text_type, first_line
from kling_airflow.media.wrapped_file import match_wrapping

HEAD_BYTES = 4096
"""How many bytes of a file ``detect_file_type`` needs; with fewer it may answer "unknown"."""

_SHOWN = 100  # characters of a text file's first line in an error


def detect_file_type(data: bytes) -> FileType:
    """Return the type of a file.

    :param data: the file, or its first ``HEAD_BYTES``.
    """
    head = bytes(data[:HEAD_BYTES])
    if not head:
        return EMPTY
    return match_signature(head) or match_wrapping(head) or detect_text_type(head) or guess_type(head)


def describe_file(data: bytes) -> str:
    """Return the type of a file in words, with the first line of a text: for errors.

    :param data: the file, or its first ``HEAD_BYTES``.
    """
    file_type = detect_file_type(data)
    if file_type.kind is FileKind.TEXT:
        line = first_line(bytes(data[:HEAD_BYTES]))
        shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
        return f"{file_type.name} that begins with `{shown}`" if shown else file_type.name
    if file_type is UNKNOWN:
        return f"{file_type.name} that begins with the bytes {bytes(data[:8]).hex(' ')}"
    return file_type.name
