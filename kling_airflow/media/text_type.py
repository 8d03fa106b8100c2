"""Names what a text file is: a page, an error of a store, a drawing, a pointer in place of the file."""

from __future__ import annotations

import codecs
import re

from kling_airflow.media.file_kinds import FileKind, FileType

_PAGE = "Open the address in a browser: it may need a sign-in, or have expired, or be a page around the file."
_SVG = FileType(
    "an SVG drawing", FileKind.TEXT, "Export it as PNG, in the size that you need, and use that file."
)
_HTML = FileType("an HTML page", FileKind.TEXT, _PAGE)
_XML = FileType("an XML document", FileKind.TEXT, "Read it: a store answers with XML when it refuses.")
_JSON = FileType("a JSON document", FileKind.TEXT, "Read it: a service answers with JSON when it refuses.")
_LFS = FileType(
    "a Git LFS pointer",
    FileKind.TEXT,
    "Run `git lfs pull` where the file was stored from, and store the file itself.",
)
_DVC = FileType(
    "a DVC pointer",
    FileKind.TEXT,
    "Run `dvc pull` where the file was stored from, and store the file itself.",
)
_ANNEX = FileType(
    "a git-annex pointer",
    FileKind.TEXT,
    "Run `git annex get` where the file was stored from, and store the file itself.",
)
_XET = FileType(
    "a Git Xet pointer",
    FileKind.TEXT,
    "Run `git xet checkout` where the file was stored from, and store the file itself.",
)
_SHORTCUT = FileType(
    "an internet shortcut", FileKind.TEXT, "Use the address within it, if that is the file's own."
)
_LINK = FileType(
    "a path as text, as Git stores a symbolic link",
    FileKind.TEXT,
    "Store the file that the path names.",
)
_ENCRYPTED = FileType("encrypted text", FileKind.TEXT, "Decrypt it and store the result.")
_DATA_URL = FileType("a `data:` URL as text", FileKind.TEXT, "Decode its Base64 and store the result.")
_BASE64 = FileType("Base64 text", FileKind.TEXT, "Decode the Base64 and store the result.")
_PLAYLIST = FileType(
    "a playlist (M3U8)", FileKind.TEXT, "Use the address of the video itself, not of its playlist."
)
_TEXT = FileType("a text file", FileKind.TEXT, "Use the address of the file itself.")

_MARKUP_START = re.compile(
    r"(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE\s+svg\b[^>\[]*(?:\[.*?\]\s*)?>)+", re.DOTALL | re.IGNORECASE
)
_HTML_START = re.compile(
    r"<(?:!doctype\s+html|html|head|body|title|script|meta|style|div|p|h1|center|table|iframe|a|br|link)\b",
    re.IGNORECASE,
)
# How the Base64 of JPEG, PNG, GIF, RIFF (WebP, AVI), TIFF, BMP, ftyp (MP4, HEIC) begins.
_BASE64_START = re.compile(
    r"(?:b?[\"'])?(?:[/_]9j[/_]|iVBORw0KGgo|R0lGOD|UklGR|SUkqA|TU0AK|Qk[0-9A-Za-z]|AAAA[A-Z]G[Z0])"
    r"(?:[\w+/=\s-]|\\[nr/])*[\"']?\s*$"
)
_POINTERS: tuple[tuple[re.Pattern[str], FileType], ...] = (
    (
        re.compile(r"version https://git-lfs\.github\.com/spec/|version https://hawser\.github\.com/spec/"),
        _LFS,
    ),
    (re.compile(r"(?:[\w./\\-]*[/\\])?annex[/\\]objects[/\\]\S+\s*(?:\n|$)"), _ANNEX),
    (re.compile(r"# ?xet version \d"), _XET),
    # The keys of a `.dvc` file stand in any order; a hash and its output are always there.
    (
        re.compile(r"(?=(?:.*\n)*outs:\s*\n)(?=(?:.*\n)*[\s-]+(?:md5|etag|checksum|hash|path):)(?:#|\w+:)"),
        _DVC,
    ),
    (re.compile(r"-----BEGIN PGP MESSAGE|age-encryption\.org/v|-----BEGIN AGE|\$ANSIBLE_VAULT"), _ENCRYPTED),
    (re.compile(r"\[InternetShortcut\]", re.IGNORECASE), _SHORTCUT),
    (re.compile(r"(?:\.{1,2}|~)?(?:[/\\][\w. +@-]+)+\.[A-Za-z0-9]{2,5}\s*$"), _LINK),
)
_TAG = re.compile(r"<\s*[A-Za-z!?]")


def detect_text_type(head: bytes) -> FileType | None:
    """Return the type of a text, or None if these are not the first bytes of a text."""
    text = _decoded(head)
    if text is None:
        return None
    text = text.lstrip("\ufeff \t\r\n")
    for beginning, pointer in _POINTERS:
        if beginning.match(text):
            return pointer
    if text[:5].lower() == "data:":
        return _DATA_URL
    if text.startswith("#EXTM3U"):
        return _PLAYLIST
    if text.startswith("<"):
        return _markup(text)
    if text[:1] in ("{", "["):
        return _JSON
    return _BASE64 if _BASE64_START.match(text) else _TEXT


def first_line(head: bytes) -> str:
    """Return the first line of a text that isn't blank, in printable characters; empty if there is none."""
    for line in (_decoded(head) or "").lstrip("\ufeff").splitlines():
        shown = "".join(char if char.isprintable() else " " for char in line).replace("`", "'").strip()
        if shown:
            return shown
    return ""


def _markup(text: str) -> FileType:
    start = _MARKUP_START.match(text)
    root = text[start.end() :] if start else text
    if re.match(r"<(?:\w+:)?svg\b", root, re.IGNORECASE):
        return _SVG
    if _HTML_START.match(root):
        return _HTML
    if root.startswith("<") or text.startswith("<?xml"):
        return _XML if _TAG.match(root or text) else _TEXT
    return _TEXT


def _decoded(head: bytes) -> str | None:
    """Return the bytes as text, or None if they are no text in UTF-8, UTF-16 or Latin-1."""
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            text = head[2 : len(head) // 2 * 2].decode(encoding, "replace")
            return text if _is_text(text) else None
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(head)  # a character may be cut at the end
    if "\ufffd" in text:
        text = head.decode("latin-1")
        if sum("\x80" <= char <= "\x9f" for char in text) > 0:
            return None
    return text if _is_text(text) else None


def _is_text(text: str) -> bool:
    return not any(char < " " and char not in "\t\r\n\f\x1b" for char in text)
