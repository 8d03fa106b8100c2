"""Compares a payload that the queue's list echoes with what was asked.

An echo can be partial: a field is missing, a long text is cut, a value is redacted, a picture is hosted
under another address. Then the echo neither shows that the request is ours, nor that it is not.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from kling_airflow.nested import leaves
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
    :param frames: for each frame's place (``image``, ``image_list.0.image_url``) the address that was sent,
        or the nonce in the Base64 that was.
    """
    asked = leaves(fields)
    pictures = dict(frames or {})
    told = leaves(_unpacked(echo, fields))
    deciding = _deciding(asked)
    verdicts = [
        compare(told[name], value, decides=name == deciding) if name in told else None
        for name, value in asked.items()
    ]
    verdicts += [_picture(told.get(name), value) for name, value in pictures.items()]
    sent = {place: plain(value) for place, value in (asked | pictures).items()}
    places = [*asked, *pictures]
    if any(
        verdict is False and not _moved(place, plain(told[place]), sent)
        for place, verdict in zip(places, verdicts, strict=True)
    ):
        return False
    if all(verdicts) and len(told) == len(asked) + len(pictures):
        return True
    return None


def _moved(place: str, told: str, sent: Mapping[str, str]) -> bool:
    """Return whether an entry of a list is another entry of the same list that was sent.

    If an echo leaves out an entry of a list, or sorts the list, each entry stands in another's place.
    """
    root, dot, _ = place.partition(".")
    return bool(dot) and any(
        other != place and other.startswith(f"{root}.") and value == told for other, value in sent.items()
    )


def differing_fields(echo: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    """Return the places in which an echo surely asks for something else."""
    told = leaves(_unpacked(echo, fields))
    return [
        place
        for place, value in leaves(fields).items()
        if place in told and compare(told[place], value, decides=True) is False
    ]


def _unpacked(echo: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an echo in which the JSON of an object or a list is that object or list, if one was asked."""
    return {
        name: _structure(value) if _is_structure(fields.get(name)) else value for name, value in echo.items()
    }


def _structure(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if _is_structure(found) else value


def _is_structure(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)


def carries(payload: Mapping[str, Any], marker: str) -> bool:
    """Return whether a payload carries a marker: as a frame's address, or inside a Base64 frame."""
    return any(isinstance(value, str) and _holds(value, marker) for value in leaves(payload).values())


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
    prompts = [place for place in asked if "prompt" in place.rpartition(".")[2].lower()]
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
