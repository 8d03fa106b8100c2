"""Normal forms: two spellings of the same thing compare as equal, two different things never do."""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_SIGNATURES: Final = frozenset(
    {
        *("signature", "sig"),
        *("awsaccesskeyid", "googleaccessid", "ossaccesskeyid", "key-pair-id"),
        *("hdnts", "hdnea", "__token__"),
    }
)
"""Query parameters that sign an address: Amazon S3 and CloudFront, Google, Azure, Alibaba, Akamai."""
_SIGNATURE_PREFIXES: Final = ("x-amz-", "x-goog-", "x-oss-")
_WITH_A_SIGNATURE: Final = frozenset(
    {
        *("expires", "policy", "security-token"),
        *("se", "sp", "sr", "st", "sv", "spr", "sip", "ss", "srt", "sdd", "scid", "saoid", "suoid"),
        *("skoid", "sktid", "skt", "ske", "sks", "skv"),
    }
)
"""Query parameters that belong to a signature, but only in an address that has one."""


def value(given: Any) -> Any:
    """Return a JSON value in normal form: its texts as :func:`text` says, 1.0 as 1."""
    if isinstance(given, str):
        return text(given)
    if isinstance(given, Mapping):
        return {name: value(inner) for name, inner in given.items()}
    if isinstance(given, list | tuple):
        return [value(inner) for inner in given]
    return int(given) if isinstance(given, float) and given.is_integer() else given


def text(given: str) -> str:
    """Return a text in Unicode NFC, with one kind of line end, without white space around it."""
    return unicodedata.normalize("NFC", given).replace("\r\n", "\n").replace("\r", "\n").strip()


def base_url(given: str) -> str:
    """Return a base URL in normal form: case, default port, a dot after the host, dot segments, slashes."""
    parts = urlsplit(given.strip())
    path = posixpath.normpath(parts.path) if parts.path.strip("/") else ""
    return urlunsplit((parts.scheme.lower(), place(given), "" if path == "/" else path.rstrip("/"), "", ""))


def address(given: str) -> str:
    """Return an address of a picture without its signature: the same picture, whenever it was signed.

    An address that can't be read as one is returned as it is.
    """
    try:
        parts = urlsplit(given.strip())
    except ValueError:
        return given.strip()
    pairs = [pair for pair in parts.query.split("&") if pair]
    names = [pair.partition("=")[0].lower() for pair in pairs]
    signed = any(_signs(name) for name in names)
    kept = [
        pair
        for pair, name in zip(pairs, names, strict=True)
        if not (_signs(name) or (signed and name in _WITH_A_SIGNATURE))
    ]
    return urlunsplit((parts.scheme.lower(), place(given), parts.path, "&".join(kept), ""))


def _signs(name: str) -> bool:
    return name in _SIGNATURES or name.startswith(_SIGNATURE_PREFIXES)


def place(url: str) -> str:
    """Return host and port of an address as they are compared; whatever can't be read, as it is."""
    parts = urlsplit(url.strip())
    try:
        port = parts.port
    except ValueError:
        return parts.netloc
    host = (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host
    return host if port in {None, _DEFAULT_PORTS.get(parts.scheme.lower())} else f"{host}:{port}"
