"""Readers of single JSON values. None of them raises, whatever the queue sends in the place of a value."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from kling_airflow.redaction import redacted

_NUMBERS: Final = (int, float)
_YEAR_10000: Final = 253_402_300_800
"""In Unix seconds. A later value, such as one in milliseconds, is not read as a time."""
_ERROR_MAX_CHARACTERS: Final = 2_000
_NAME_MAX_CHARACTERS: Final = 300
_DEEPEST: Final = 50
"""Levels of lists and objects; the documented results have three."""


def plain_text(value: object) -> str:
    """Return a short text or a number as text; "" for every other value."""
    if isinstance(value, str):
        return value if len(value) <= _NAME_MAX_CHARACTERS else value[:_NAME_MAX_CHARACTERS]
    if isinstance(value, bool) or not isinstance(value, _NUMBERS):
        return ""
    try:
        return str(value)
    except ValueError:  # a number with thousands of digits
        return ""


def error_text(value: object) -> str | None:
    """Return the text of an error: a string, or an object with ``message`` and ``details``."""
    if not value:
        return None
    if isinstance(value, dict):
        parts = [value.get("message"), value.get("details")]
        return ": ".join(filter(None, map(_shown, parts))) or _shown(value.get("code")) or None
    if isinstance(value, str):
        return _shown(value) or None
    return None


def http_url(value: object) -> str | None:
    """Return an address if the value is one over http(s)."""
    if isinstance(value, str) and value[:8].lower().startswith(("http://", "https://")):
        return value
    return None


def unix_seconds(value: object) -> int | None:
    """Return a time in whole Unix seconds; None for a value that is no time."""
    if isinstance(value, _NUMBERS) and 1 <= value < _YEAR_10000 and not isinstance(value, bool):
        return int(value)
    return None


def iso_time(seconds: int | None) -> str | None:
    """Return Unix seconds as an ISO text in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC).isoformat()


def is_deep(value: object) -> bool:
    """Return whether lists and objects are nested deeper than a message or a result is.

    Which depth Python's own functions take differs by version: 3.13 shows what 3.12 refuses. Airflow, which
    stores a result, takes a few hundred levels.
    """
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return False
    return True


def _parts(value: object) -> Iterable[object]:
    """Return the lists and objects that are right within a value."""
    within: Iterable[object] = ()
    if isinstance(value, dict):
        within = value.values()
    elif isinstance(value, list | tuple):
        within = value
    return [part for part in within if isinstance(part, dict | list | tuple)]


def _shown(value: object) -> str:
    """Return a part of an error as text fit for a log: without signatures, and not longer than a page."""
    try:
        text = "" if not value or is_deep(value) else str(value)
    except ValueError:
        return ""  # a number with too many digits to be a message
    return redacted(text[:_ERROR_MAX_CHARACTERS]).strip()
