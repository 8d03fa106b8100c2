"""Texts of errors: without what must not be read by others, such as a signature, and of whole sentences."""

from __future__ import annotations

import re

_NAMES = (
    "(?:x-amz-|x-goog-|x-oss-|x-cos-)?(?:signature|credential|security-token)",
    "awsaccesskeyid|googleaccessid|ossaccesskeyid|key-pair-id|policy|sig|hdnts|hdnea|hmac",
    "auth|(?:[a-z]{1,20}[_\\-]?)?(?:token|password|secret)|api[_\\-]?key|key|secret[_\\-]?key",
)
# Patterns are compiled at their first use: a DAG's parse needs none of them.
# Also as another address carries it: percent-encoded.
_SECRET = rf"(?i)(\b|%3f|%26)({'|'.join(_NAMES)})(=|%3d)(?:(?!%26)[^&\s\"'<>`])+"

_QUOTED = rf"(?i)([\"'](?:{'|'.join(_NAMES)}|authorization)[\"']\s*:\s*)([\"'])[^\"']*\2"
"""A secret in JSON, or in the text of a Python dict."""
_BEARER = r"(?i)\b(bearer|authorization: *\w+) +[^\s\"'<>,;]{6,}"
_ADDRESS = r"(?i)\b([a-z][a-z0-9+.\-]{1,30})://([^\s\"'<>\\]*)"
_DATA = r"(?i)\bdata:[\w/+.\-]{0,80}[;,][^\s\"'<>]*"
_SHOWN_CHARACTERS = 100
_LONG_DATA = r"[A-Za-z0-9+/_\-]{200,}={0,2}"
_ENDS = (".", "!", "?")
_DOUBLED = r"(?<!\.)\.\.(?=\s|$)"
_ELLIPSIS = r"\.{4,}(?=\s|$)"
_AFTER_MARK = r"(?<=[!?])\.(?=\s|$)"


def without_signatures(text: str) -> str:
    """Return a text in which the value of every parameter that signs, or carries a key, is left out."""
    text = re.sub(_BEARER, r"\1 ...", re.sub(_QUOTED, r"\1\2...\2", text))
    return re.sub(_SECRET, r"\1\2\3...", text)


def redacted(text: str) -> str:
    """Return a text in which addresses have no query, fragment or user, and no signature or data is left.

    The queue quotes the addresses of frames in its errors, and those may be signed. Base64 is cut as well.
    """
    text = re.sub(_DATA, "data:...", text)
    text = re.sub(_ADDRESS, _without_query, text)
    return re.sub(_LONG_DATA, "...", without_signatures(text))


def shown_value(value: object) -> str:
    """Return a value as an error shows it: short, and without what signs an address."""
    try:
        text = redacted(repr(value))
    except Exception:  # a value whose text can't be made: too deep, too many digits, or its own error
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _without_query(match: re.Match[str]) -> str:
    scheme, rest = match.groups()
    kept = re.split(r"[?#]", rest, maxsplit=1)[0]
    place, slash, path = kept.partition("/")
    ending = "" if kept == rest else "?..."
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}{ending}"


def sentences(text: str) -> str:
    """Return a text whose sentences end with one full stop, or with one mark; empty if there is none.

    A text that is put together of others, such as a library's complaint in an error, can end with two.
    """
    text = text.strip()
    if text and not text.endswith(_ENDS):
        text += "."
    text = re.sub(_ELLIPSIS, "...", re.sub(_DOUBLED, ".", text))
    return re.sub(_AFTER_MARK, "", text)


def in_short(error: BaseException) -> str:
    """Return a library's complaint in one short line, without memory addresses."""
    text = " ".join(str(error).split()).partition("<_io.BytesIO")[0].strip()
    return without_signatures(f"{type(error).__name__}: {text[:300]}".rstrip(": ."))
