"""What people write into operators, and templates render into text, read as what is meant."""

from __future__ import annotations

from typing import Any

from kling_airflow.media.errors import InvalidArgument

_YES = ("true", "on", "yes", "1")
_NO = ("false", "off", "no", "0")
_NOTHING = ("", "none", "null")


def is_literal(value: object) -> bool:
    """Whether a value is final when the DAG is parsed: not an XComArg, and no Jinja within."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    return value is None or isinstance(value, int | float | bool)


def whole_number(field: str, value: object) -> int:
    """Read 720, 720.0 or "720".

    :raises InvalidArgument: anything else.
    """
    number = number_or_none(field, value)
    if number is None or number != int(number):
        raise InvalidArgument(f"{field} is {value!r}; it must be a whole number.")
    return int(number)


def number_or_none(field: str, value: object) -> float | None:
    """Read 5, 5.0, "5", or None and what templates make of it.

    :raises InvalidArgument: anything else.
    """
    if _is_nothing(value):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidArgument(f"{field} is {value!r}; it must be a number.")
    try:
        number = float(value)
    except ValueError:
        raise InvalidArgument(f"{field} is {value!r}; it must be a number.") from None
    if number - number != 0:  # NaN and the infinities
        raise InvalidArgument(f"{field} is {value!r}; it must be a finite number.")
    return number


def switch_or_none(field: str, value: object) -> bool | None:
    """Read True, "true", "on", their opposites, or None and what templates make of it.

    :raises InvalidArgument: anything else.
    """
    if isinstance(value, bool) or _is_nothing(value):
        return value if isinstance(value, bool) else None
    text = str(value).strip().lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise InvalidArgument(f"{field} is {value!r}; it must be True or False.")


def text_or_none(value: Any) -> str | None:
    """Read a text, or None and what templates make of it."""
    return None if _is_nothing(value) else str(value)


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)
