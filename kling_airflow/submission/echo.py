"""Compares a payload that the queue's list echoes with what was asked.

An echo can be partial: a field is missing, a long text is cut, a value is redacted, a picture is hosted
under another address. Then the echo neither shows that the request is ours, nor that it is not.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from kling_airflow.nested import leaves
from kling_airflow.submission import normal_form
from kling_airflow.submission.marks import NONCE, nonces

_ELLIPSIS: Final = re.compile(r"\.{3}|\N{HORIZONTAL ELLIPSIS}")
_REDACTED: Final = re.compile(
    r"\*{3,}|x{4,}|redact|omitted|truncated|removed|hidden|masked|^<.*>$|^\[.*\]$", re.IGNORECASE
)
_REDACTED_LENGTH: Final = 60
"""A longer text is a text of its own, even if such a word is in it."""
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_BASE64_LENGTH: Final = 100


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
    asked = {place: _text(value) for place, value in leaves(fields).items()}
    pictures = dict(frames or {})
    told = leaves(echo)
    longest = max(asked, key=lambda name: len(asked[name]), default=None)
    verdicts = [
        _field(_text(told[name]), value, decides=name == longest) if name in told else None
        for name, value in asked.items()
    ]
    verdicts += [_picture(told.get(name), value) for name, value in pictures.items()]
    sent = asked | pictures
    places = [*asked, *pictures]
    if any(
        verdict is False and not _moved(place, _text(told[place]), sent)
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
    told = leaves(echo)
    return [
        place
        for place, value in leaves(fields).items()
        if place in told and _field(_text(told[place]), _text(value), decides=True) is False
    ]


def carries(payload: Mapping[str, Any], marker: str) -> bool:
    """Return whether a payload carries a marker: as a frame's address, or inside a Base64 frame."""
    return any(isinstance(value, str) and _holds(value, marker) for value in leaves(payload).values())


def picture_in(value: str) -> bytes | None:
    """Return the bytes of a Base64 value, as many as are there; None if the value is no Base64."""
    text = value.partition(";base64,")[2] if value[:5] == "data:" else value
    if "://" in text[:10] or len(text) < _BASE64_LENGTH:
        return None
    try:
        return base64.b64decode(text[: len(text) // 4 * 4])
    except (binascii.Error, ValueError):
        return None


def _field(told: str, asked: str, *, decides: bool) -> bool | None:
    """Compare two texts.

    :param decides: whether another text is proof enough that something else was asked. Only the longest
        text is: a short value (`on`, `720p`) may be written by the service in its own way.
    """
    if told == asked:
        return True
    if _partial(told, asked) or " ".join(told.split()).casefold() == " ".join(asked.split()).casefold():
        return None
    if _NUMBER.fullmatch(told) and _NUMBER.fullmatch(asked):
        return None if float(told) == float(asked) else False
    if "://" in told[:10] and "://" in asked[:10]:
        return _addresses(told, asked)
    return False if decides else None


def _partial(told: str, asked: str) -> bool:
    """Return whether a text may be another one that was cut or redacted."""
    if len(told) <= _REDACTED_LENGTH and _REDACTED.search(told):
        return True
    parts = [part.strip() for part in _ELLIPSIS.split(told)]
    if len(parts) == 1:
        return asked.startswith(parts[0])
    return asked.startswith(parts[0]) and asked.endswith(parts[-1])


def _picture(told: object, asked: str) -> bool | None:
    """Compare a frame's value in an echo with the address, or the nonce in the Base64, that was sent."""
    if not isinstance(told, str) or (told != asked and _partial(told, asked)):
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
    told, asked = normal_form.address(told), normal_form.address(asked)
    if told == asked:
        return True
    try:
        theirs, ours = urlsplit(told), urlsplit(asked)
    except ValueError:
        return None
    their_path, our_path = theirs.path.split("/"), ours.path.split("/")
    if theirs.netloc != ours.netloc or len(their_path) != len(our_path):
        return None
    same_length = all(len(one) == len(other) for one, other in zip(their_path, our_path, strict=True))
    return False if same_length or their_path[:-1] == our_path[:-1] else None


def _text(value: Any) -> str:
    plain = normal_form.value(value)
    return plain if isinstance(plain, str) else json.dumps(plain, sort_keys=True)


def _holds(value: str, marker: str) -> bool:
    if marker in value:
        return True
    data = picture_in(value)
    return data is not None and marker.encode() in data
