"""Arguments of an operator that spends money: read as everywhere, refused before anything is spent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from kling_airflow import arguments
from kling_airflow.gmi.errors import InvalidPayload
from kling_airflow.media.errors import InvalidArgument


def seconds(name: str, value: float | str | timedelta) -> float:
    """Return a length of time in seconds.

    :raises InvalidPayload: for what is none, or is negative.
    """
    number = _number(name, value.total_seconds() if isinstance(value, timedelta) else value)
    if number is None:
        raise InvalidPayload(f"`{name}` is {value!r}; it must be a number of seconds.")
    return number


def dollars(name: str, value: float | str | None) -> float | None:
    """Return an amount in US dollars; None for None and for what templates make of it.

    :raises InvalidPayload: for what is no amount.
    """
    return _number(name, value)


def whole_number(name: str, value: int | str, *, least: int) -> int:
    """Return a whole number.

    :param least: the smallest that will do.
    :raises InvalidPayload: for what is none, or is smaller.
    """
    number = _number(name, value)
    if number is None or number != int(number) or number < least:
        raise InvalidPayload(f"`{name}` is {value!r}; it must be a whole number, {least} or more.")
    return int(number)


def one_of(name: str, value: object, words: Sequence[str]) -> None:
    """Refuse any but these words.

    :raises InvalidPayload: for any other.
    """
    if value not in words:
        known = " or ".join(f"`{word}`" for word in words)
        raise InvalidPayload(f"`{name}` is {value!r}; it must be {known}.")


def _number(name: str, value: object) -> float | None:
    try:
        number = arguments.number_or_none(f"`{name}`", value)
    except InvalidArgument as error:
        raise InvalidPayload(str(error)) from None
    if number is not None and not 0 <= number < float("inf"):
        raise InvalidPayload(f"`{name}` is {value!r}; it must be 0 or more.")
    return number
