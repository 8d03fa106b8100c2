"""Compares one value of an echo with what was asked, however the service may have spelled, cut or hidden it.

A verdict is True (the same), False (surely something else) or None (this can't be told). A wrong False buys a
clip twice; a wrong None only asks a person. So a text is something else only if no way of spelling it, and no
cut of it, leads from one to the other.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote, unquote_plus

from kling_airflow.submission import normal_form

_REDACTED: Final = re.compile(
    r"\*{3,}|x{4,}|redact|omitted|truncated|removed|hidden|masked|^<.*>$|^\[.*\]$", re.IGNORECASE
)
_REDACTED_LENGTH: Final = 60
"""A longer text is a text of its own, even if such a word is in it."""
_GAP: Final = re.compile(
    r"\.{2,}|\N{HORIZONTAL ELLIPSIS}|\*{3,}|\N{FULL BLOCK}{2,}|#{3,}|_{3,}|\b[xX]{4,}\b"
    r"|[\[<({][^\])>}]{0,40}(?:redact|omitted|truncated|removed|hidden|masked)[^\])>}]{0,40}[\])>}]"
    r"|[\[<{][A-Z_]{3,20}[\]>}]"
)
"""Where something of a text is left out, or is hidden."""
_NOTE: Final = re.compile(
    r"\W*\+?\d+ *(?:more|char\w*|bytes?|words?|tokens?|letters?)?(?: more| left| omitted| truncated)?\W*",
    re.IGNORECASE,
)
"""What a service writes behind a cut text: how much is missing."""
_NOTHING: Final = frozenset(
    {"na", "null", "none", "nil", "undefined", "nan", "private", "secret", "filtered"}
)
_SWITCHES: Final = {
    **dict.fromkeys(("on", "true", "yes", "enabled"), True),
    **dict.fromkeys(("off", "false", "no", "disabled"), False),
}
_NUMBER: Final = re.compile(r"-?\d{1,300}(\.\d{1,300})?")
_TAG: Final = re.compile(r"</?(?:br|p|b|i|em|strong|span|div)\b[^<>]{0,20}>", re.IGNORECASE)
_UNITS: Final = (100.0, 1e3, 1e6, 1e9)
"""Seconds can be echoed in milliseconds, a share in per cent."""
_LONG: Final = 16
"""Characters of an opaque text: a hash, an id or Base64 in the place of the text."""
_WHOLE: Final = 8
"""Letters that a text must have to be recognized in a longer one."""


def compare(told: Any, asked: Any, *, decides: bool) -> bool | None:
    """Compare a value of an echo with the one that was asked.

    :param told: the echo's value.
    :param asked: the value that was sent.
    :param decides: whether another text is proof enough that something else was asked.
    """
    told_text, asked_text = plain(told), plain(asked)
    if told_text == asked_text:
        return True
    if isinstance(asked, Mapping | list | tuple) or isinstance(told, Mapping | list | tuple):
        return _compare_structures(told, asked)
    if _NUMBER.fullmatch(told_text) and _NUMBER.fullmatch(asked_text):
        return _compare_numbers(float(told_text), float(asked_text))
    switches = {_SWITCHES.get(text.casefold()) for text in (told_text, asked_text)}
    if decides and switches == {True, False}:
        return False
    if not isinstance(told, str) or not decides:
        return None  # a short value (`on`, `720p`) may be written by the service in its own way
    return None if may_be(told_text, asked_text) else False


def plain(value: Any) -> str:
    """Return a value as the text that is compared."""
    normal = normal_form.value(value)
    return normal if isinstance(normal, str) else json.dumps(normal, sort_keys=True)


@lru_cache(maxsize=4096)
def may_be(told: str, asked: str) -> bool:
    """Return whether a text may be another one that was cut, redacted, hidden or spelled otherwise.

    Remembered, because a search for a lost request reads the same list again and again.
    """
    if is_redacted(told) or asked.startswith(told) or _stands_for_nothing(told):
        return True
    if told.isascii() and len(told) >= _LONG and not re.search(r"\s", told) and re.search(r"\s", asked):
        return True  # a hash, or a text in some code
    return any(_is_cut_of(spelled, asked) for spelled in dict.fromkeys(_spellings(told)))


def is_redacted(told: str) -> bool:
    """Return whether a text only says that something was left out."""
    return len(told) <= _REDACTED_LENGTH and _REDACTED.search(told) is not None


def has_gap(told: str) -> bool:
    """Return whether something within a text is left out or hidden."""
    return _GAP.search(told) is not None


def _compare_structures(told: Any, asked: Any) -> bool | None:
    """Compare lists and objects; the service may fill in defaults, and write numbers as texts."""
    verdicts: list[bool | None] = []
    if isinstance(told, Mapping) and isinstance(asked, Mapping):
        verdicts = [
            compare(told[name], value, decides="prompt" in str(name).lower())
            for name, value in asked.items()
            if told.get(name) is not None
        ]
    elif isinstance(told, list | tuple) and isinstance(asked, list | tuple) and len(told) == len(asked):
        verdicts = [compare(one, other, decides=True) for one, other in zip(told, asked, strict=True)]
    return False if any(verdict is False for verdict in verdicts) else None


def _compare_numbers(told: float, asked: float) -> bool | None:
    """Two numbers are two values, unless one is the other rounded, or in another unit."""
    if told == asked or told <= 0 or not told.is_integer():
        same = told <= 0 or math.isclose(told, asked, rel_tol=0.05)
        return None if same else False
    scales = (*_UNITS, *(1 / unit for unit in _UNITS))
    return None if any(math.isclose(told, asked * scale, rel_tol=1e-6) for scale in scales) else False


def _stands_for_nothing(told: str) -> bool:
    letters = _letters(told)
    return not letters or letters in _NOTHING


def _spellings(told: str) -> Iterator[str]:
    """Yield what a text may have been before the service escaped or coded it."""
    yield told
    once = html.unescape(told)
    yield from (once, html.unescape(once), _TAG.sub(" ", once))
    yield from (unquote(told), unquote_plus(told))
    quoted = told if told.startswith('"') else f'"{told}"'
    with suppress(ValueError):
        if isinstance(read := json.loads(quoted, strict=False), str):
            yield read
    for code in ("latin-1", "cp1252"):
        try:
            yield told.encode(code).decode()
        except UnicodeError:
            continue
    with suppress(binascii.Error, ValueError):
        yield base64.b64decode(told, validate=True).decode()


def _is_cut_of(told: str, asked: str) -> bool:
    """Return whether one text is the other but for case, accents, punctuation, and what is cut off."""
    gaps = has_gap(told)
    parts = _GAP.split(told)
    if gaps:
        parts = [part for part in parts if not (_NOTE.fullmatch(part) or is_redacted(part))]
        if not any(map(_letters, parts)):
            return True  # nothing of it was told
    for letters in (_letters, _ascii_letters):
        given = letters(asked)
        if letters is _ascii_letters and 2 * len(given) < len(_letters(asked)):
            continue  # too little is left of it
        if _overlaps(letters(told), given):
            return True
        pieces = [piece for part in parts if (piece := letters(part))]
        if gaps and pieces and _in_turn(pieces, given):
            return True
    return False


def _overlaps(told: str, asked: str) -> bool:
    """Return whether letters are equal, are a cut of the others, or the others with something around them."""
    if told == asked or told in asked:
        return True
    if len(asked) >= _WHOLE and (told.startswith(asked) or told.endswith(asked)):
        return True
    begins = next(
        (at for at, (one, other) in enumerate(zip(told, asked, strict=False)) if one != other), None
    )
    if begins is None or len(told) >= len(asked):
        return False
    return asked.endswith(told[begins:])  # cut in the middle


def _in_turn(pieces: list[str], asked: str) -> bool:
    at = 0
    for piece in pieces:
        at = asked.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def _letters(text: str) -> str:
    """Return a text's letters and digits, without case and accents."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _ascii_letters(text: str) -> str:
    """Return the letters and digits that outlive any wrong coding."""
    return re.sub(r"[^a-z0-9]+", "", text.encode("ascii", "ignore").decode().lower())
