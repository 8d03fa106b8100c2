"""The base URL of a connection in its normal form: two spellings of one address become the same text.

The normal form is part of an order's identity: with another spelling, the clip would be bought again.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from kling_airflow.errors import InvalidArgument
from kling_airflow.redaction import redacted

DEFAULT_BASE_URL: Final = "https://console.gmicloud.ai"
QUEUE_ROOT: Final = "/api/v1/ie/requestqueue/apikey"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"(?i)[a-z][a-z0-9+.\-]*://")
_NOT_IN_AN_ADDRESS = re.compile(r"[\s\\\x00-\x1f\x7f<>\"^`{|}]")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]")
_MALFORMED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def normal_base_url(value: str | None) -> str:
    """Return a base URL in its normal form, without the queue's path and without a slash at its end.

    Case of scheme and host, the default port, dot segments, trailing dots and slashes, needless percent
    escapes and the spelling of international names make no difference.

    :param value: the address; None or "" for the address of GMI Cloud.
    :raises InvalidArgument: if the address can't be used.
    """
    url = (value or "").strip() or DEFAULT_BASE_URL
    if not _SCHEME.match(url):
        raise _unusable(url, f"has no scheme; write https://{_without_slashes(url)}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _unusable(url, f"is malformed ({str(error)[:100]})") from None
    scheme = parts.scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        raise _unusable(url, f"has the scheme `{scheme}`; it must be http or https")
    if parts.username is not None or parts.password is not None:
        raise InvalidArgument(
            f"The base URL {redacted(url)!r} has a user or password in it.",
            todo="Remove them, and put the API key into the connection's field `API key` (password).",
        )
    if "?" in url or "#" in url:
        raise _unusable(url, "has a query or a fragment")
    if _NOT_IN_AN_ADDRESS.search(url) or _MALFORMED_ESCAPE.search(url):
        raise _unusable(url, "has characters that no address has (blanks, backslashes, a lone %)")
    place = _normal_host(url, parts)
    if port not in (None, _DEFAULT_PORTS[scheme]):
        place = f"{place}:{port}"
    return f"{scheme}://{place}{_normal_path(parts.path)}"


def _normal_host(url: str, parts: SplitResult) -> str:
    host = unquote(parts.hostname or "").rstrip(".").lower()
    if not host:
        raise _unusable(url, "names no host")
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]"
        except ValueError:
            raise _unusable(url, "has a malformed IPv6 address") from None
    try:
        if host.isascii():
            host.encode("idna")  # checks the lengths; an ASCII name is not changed otherwise
        else:
            import idna

            host = idna.encode(host, uts46=True).decode()
    except UnicodeError as error:
        raise _unusable(url, f"has a malformed host ({str(error)[:100]})") from None
    if not re.fullmatch(r"[a-z0-9._\-]+", host):
        raise _unusable(url, "has a malformed host")
    return host


def _normal_path(path: str) -> str:
    kept: list[str] = []
    for segment in _ESCAPE.sub(_normal_escape, path).split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(quote(segment, safe="%!$&'()*+,;=:@~"))
    normal = "".join(f"/{segment}" for segment in kept)
    return normal.removesuffix(QUEUE_ROOT)


def _normal_escape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    return character if _UNRESERVED.fullmatch(character) else match[0].upper()


def _unusable(url: str, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"The base URL {redacted(url)[:200]!r} {why}.",
        todo=f"Correct the host of the connection; it must be like {DEFAULT_BASE_URL}.",
    )


def _without_slashes(url: str) -> str:
    return redacted(f"https://{url.lstrip('/')}").removeprefix("https://")[:200]
