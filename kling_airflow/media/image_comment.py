"""A short comment put into a JPEG or PNG without touching its pixels."""

from __future__ import annotations

import struct
import zlib

from kling_airflow.errors import InvalidArgument, InvalidFrame

MAX_COMMENT = 200
"""Characters of the longest comment."""
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_HEAD = len(_PNG) + 25  # the signature and IHDR, which always comes first


def with_comment(data: bytes, comment: str) -> bytes:
    """Return the same picture with a comment in its metadata: PNG tEXt, or a JPEG COM segment.

    Nothing is decoded or encoded: the pixels stay the same, and only the file's hash changes.

    :param data: a JPEG or PNG file.
    :param comment: 1 to 200 printable ASCII characters.
    :raises InvalidArgument: for another comment.
    :raises InvalidFrame: for another format.
    """
    if not 1 <= len(comment) <= MAX_COMMENT or not (comment.isascii() and comment.isprintable()):
        raise InvalidArgument(
            f"The comment has {len(comment)} characters; it must be 1 to {MAX_COMMENT}, printable ASCII."
        )
    text = comment.encode("ascii")
    if data.startswith(_PNG) and data[12:16] == b"IHDR":
        return data[:_PNG_HEAD] + _png_text(text) + data[_PNG_HEAD:]
    if data.startswith(b"\xff\xd8\xff"):
        at = _after_app_segments(data)
        return data[:at] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + data[at:]
    raise InvalidFrame("A comment can only be put into a JPEG or PNG file, and this is neither.")


def _png_text(text: bytes) -> bytes:
    body = b"tEXt" + b"Comment\x00" + text
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _after_app_segments(data: bytes) -> int:
    # JFIF and Exif must follow the start of the image directly, so the comment goes behind them.
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and 0xE0 <= data[at + 1] <= 0xEF:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if at >= len(data):
        raise InvalidFrame("The JPEG file is cut short within its header.")
    return at
