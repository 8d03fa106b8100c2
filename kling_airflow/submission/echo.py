"""Compares a payload that the queue's list echoes with what was asked.

An echo can be partial: a field is missing, a long text is cut, a value is redacted, a picture is hosted
under another address. Then the echo neither shows that the request is ours, nor that it is not.
"""

from __future__ import annotations

import base64
import binascii
import html
import posixpath
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from kling_airflow.submission import normal_form
from kling_airflow.submission.echo_value import compare, has_gap, is_redacted, plain
from kling_airflow.submission.marks import NONCE, nonces

_GENERATED: Final = re.compile(r"[0-9a-f-]{32,}", re.IGNORECASE)
"""A name that a service generates, such as a UUID: all names that it generates have one length."""
_FREE_TEXT: Final = 16
"""Characters of a value that is no word of a fixed list."""
_BASE64_LENGTH: Final = 100
_URL_SAFE: Final = str.maketrans("-_", "+/")


def asks_the_same(
    echo: Mapping[str, Any], fields: Mapping[str, Any], frames: Mapping[str, str] | None = None
) -> bool | None:
    """Return whether an echo asks just what was asked.

    True: it asks the same, all of it. False: it asks something else. None: this can't be told, because the
    echo is partial, or has more in it, or the service wrote a value in its own way.

    :param fields: what was asked, without the frames.
    :param frames: for each frame's field the address that was sent, or the nonce in the Base64 that was.
    """
    asked = {name: value for name, value in fields.items() if value is not None}
    pictures = dict(frames or {})
    told = {name: value for name, value in echo.items() if value is not None}
    deciding = _deciding(asked)
    verdicts = [
        compare(told[name], value, decides=name == deciding) if name in told else None
        for name, value in asked.items()
    ]
    verdicts += [_picture(told.get(name), value) for name, value in pictures.items()]
    if any(verdict is False for verdict in verdicts):
        return False
    if all(verdicts) and len(told) == len(asked) + len(pictures):
        return True
    return None


def differing_fields(echo: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    """Return the fields in which an echo surely asks for something else."""
    return [
        name
        for name, value in fields.items()
        if value is not None
        and echo.get(name) is not None
        and compare(echo[name], value, decides=True) is False
    ]


def carries(payload: Mapping[str, Any], marker: str) -> bool:
    """Return whether a payload carries a marker: as a frame's address, or inside a Base64 frame."""
    return any(isinstance(value, str) and _holds(value, marker) for value in payload.values())


def picture_in(value: str) -> bytes | None:
    """Return the bytes of a Base64 value, as many as are there; None if the value is no Base64."""
    text = value.partition(";base64,")[2] if value[:5] == "data:" else value
    text = "".join(text.split()).translate(_URL_SAFE)
    if "://" in text[:10] or len(text) < _BASE64_LENGTH:
        return None
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except (binascii.Error, ValueError):
        return None


def _deciding(asked: Mapping[str, Any]) -> str | None:
    """Return the field whose text is proof enough that something else was asked: the longest prompt.

    Without a prompt it is the longest value, if that is a text of its own.
    """
    prompts = [name for name in asked if "prompt" in name.lower()]
    longest = max(prompts or asked, key=lambda name: len(plain(asked[name])), default=None)
    if longest is None or prompts:
        return longest
    return longest if len(plain(asked[longest])) >= _FREE_TEXT else None


def _picture(told: object, asked: str) -> bool | None:
    """Compare a frame's value in an echo with the address, or the nonce in the Base64, that was sent."""
    if not isinstance(told, str) or (told != asked and (asked.startswith(told) or is_redacted(told))):
        return None
    if "://" in told[:10] and "://" in asked[:10]:
        return _addresses(told, asked)
    if asked.startswith(NONCE) and (picture := picture_in(told)) is not None:
        found = nonces(picture)
        return False if found and asked not in found else None
    return None


def _addresses(told: str, asked: str) -> bool | None:
    """Compare two addresses without their signatures.

    An address of another kind may be ours, hosted elsewhere by the queue. An address of the same kind is
    another picture: the queue echoes this kind as it was sent.
    """
    told, asked = normal_form.address(html.unescape(told)), normal_form.address(asked)
    if told == asked:
        return True
    try:
        theirs, ours = urlsplit(told), urlsplit(asked)
    except ValueError:
        return None
    if theirs.netloc != ours.netloc or has_gap(theirs.path):
        return None
    their_path, our_path = _segments(theirs.path), _segments(ours.path)
    if their_path == our_path:
        return None if _may_be_query(theirs.query, ours.query) else False
    if len(their_path) != len(our_path) or _may_be_name(their_path[-1], our_path[-1]):
        return None
    same_length = all(len(one) == len(other) for one, other in zip(their_path, our_path, strict=True))
    return False if same_length or their_path[:-1] == our_path[:-1] else None


def _segments(path: str) -> list[str]:
    """Return the parts of a path, without case and percent escapes; [""] if there is none."""
    return [part for part in unquote(path).casefold().split("/") if part] or [""]


def _may_be_query(told: str, asked: str) -> bool:
    """Return whether a query is another one with parameters left out or added."""
    theirs, ours = (dict(parse_qsl(query.casefold(), keep_blank_values=True)) for query in (told, asked))
    return all(theirs[name] == ours[name] for name in theirs.keys() & ours.keys()) and (
        theirs.keys() <= ours.keys() or ours.keys() <= theirs.keys()
    )


def _may_be_name(told: str, asked: str) -> bool:
    """Return whether a file's name is another one's in another format or size, or is no name like it."""
    theirs, ours = posixpath.splitext(told)[0], posixpath.splitext(asked)[0]
    if _GENERATED.fullmatch(ours) and len(theirs) != len(ours):
        return True
    shorter, longer = sorted((theirs, ours), key=len)
    return longer.startswith(shorter) and not longer[len(shorter) : len(shorter) + 1].isalnum()


def _holds(value: str, marker: str) -> bool:
    if marker in value:
        return True
    data = picture_in(value)
    return data is not None and marker.encode() in data
