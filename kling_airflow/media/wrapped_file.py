"""Names a picture or clip that a program has stored in a wrapping: headers, hexadecimal digits, stray bytes.

The file's own bytes are all there, but not at its beginning, or not as bytes. What to do is mend the program.
"""

from __future__ import annotations

import re

from kling_airflow.media.file_kinds import FileKind, FileType

_BODY_ONLY = "Store the body alone: the program that stored the file wrote what a transfer adds to it."
_AS_BYTES = "Store the file again from its source, read and written as bytes."
_RESPONSE = FileType("an HTTP response with its headers", FileKind.DAMAGED, _BODY_ONLY)
_FORM = FileType("an upload form (multipart)", FileKind.DAMAGED, _BODY_ONLY)
_CHUNKS = FileType("a body in chunks, with their lengths", FileKind.DAMAGED, _BODY_ONLY)
_ENCODED = FileType("a file whose bytes were read as text and encoded anew", FileKind.DAMAGED, _AS_BYTES)
_PYTHON = FileType(
    "the text of Python's bytes", FileKind.TEXT, "Write the bytes themselves, not `str()` of them."
)
_HEXADECIMAL = FileType(
    "a file of hexadecimal digits", FileKind.TEXT, "Decode them (`bytes.fromhex`) and store the result."
)

_BEGINS = rb"(?:\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|RIFF....WEBP|\0\0..ftyp|<svg|<html)"
_STRAY = re.compile(
    rb"(?:\xef\xbb\xbf|[ \t\r\n])+(?=\xff\xd8\xff|\x89PNG|GIF8[79]a|RIFF....WEBP|\0\0..ftyp)", re.DOTALL
)
_WRAPPINGS: tuple[tuple[re.Pattern[bytes], FileType], ...] = (
    (re.compile(rb"HTTP/\d(?:\.\d)? \d{3}\b"), _RESPONSE),
    (
        re.compile(rb"(?:content-type|date|server|last-modified|etag): [^\r\n]+\r\n[\w-]+: ", re.IGNORECASE),
        _RESPONSE,
    ),
    (re.compile(rb"--[\w'()+,./:=?-]{5,70}\r?\ncontent-(?:disposition|type): ", re.IGNORECASE), _FORM),
    (re.compile(rb"[0-9a-f]{1,8}(?:;[^\r\n]*)?\r\n" + _BEGINS, re.DOTALL | re.IGNORECASE), _CHUNKS),
    (re.compile(rb"b(['\"])(?:\\x[0-9a-f]{2}|GIF8|RIFF|\\0)", re.IGNORECASE), _PYTHON),
    (re.compile(rb"bytearray\(b['\"]"), _PYTHON),
    (
        re.compile(
            rb"(?:\\x|0x|x')?(?:ffd8ff|89504e47|47494638|52494646|0000[0-9a-f]{4}66747970)[0-9a-f\s]+'?\s*$",
            re.IGNORECASE,
        ),
        _HEXADECIMAL,
    ),
    (
        re.compile(rb"(?:0{7,8}[: ]\s*)?(?:ff ?d8 ?ff|89 ?50 ?4e ?47|47 ?49 ?46 ?38)", re.IGNORECASE),
        _HEXADECIMAL,
    ),
    # Read as Latin-1 and written as UTF-8, as UTF-16, and as UTF-16 of the other byte order.
    (re.compile(rb"\xc3\xbf\xc3\x98\xc3\xbf|\xc2\x89PNG\r?\n|\xc3\xbf\xc3\x98\xe2\x80"), _ENCODED),
    (re.compile(rb"\xff\xfe(?:\xff\0\xd8\0|\x89\0P\0N\0G)|\xfe\xff(?:\0\xff\0\xd8|\0\x89\0P\0N)"), _ENCODED),
)


def match_wrapping(head: bytes) -> FileType | None:
    """Return the type of a wrapped file, or None if these are not the first bytes of one."""
    if stray := _STRAY.match(head):
        many = len(stray[0])
        return FileType(
            f"a picture or clip behind {many} stray {'bytes' if many > 1 else 'byte'}",
            FileKind.DAMAGED,
            "Store the file again: the program that stored it wrote a line end, a blank or a byte order mark "
            "first.",
        )
    return next((wrapping for beginning, wrapping in _WRAPPINGS if beginning.match(head)), None)
