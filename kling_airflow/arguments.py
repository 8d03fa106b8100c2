"""Readers of arguments: each turns what a user writes, or a template renders, into the type that is meant."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from kling_airflow.addresses import shown
from kling_airflow.errors import InvalidArgument
from kling_airflow.redaction import shown_value
from kling_airflow.yaml_habits import yaml_hint

_YES = ("true", "on", "yes", "1")
_NO = ("false", "off", "no", "0")
_NOTHING = ("", "none", "null")
_RENDERED_FROM_NOTHING = ("none", "null", "nan", "undefined")


def is_literal(value: object) -> bool:
    """Whether a value is final when the DAG is parsed: not an XComArg, and no Jinja within."""
    if isinstance(value, str):
        return not any(mark in value for mark in ("{{", "{%", "{#"))
    if isinstance(value, Mapping):
        return all(is_literal(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(is_literal, value))
    return value is None or isinstance(value, int | float | bool | bytes | date | timedelta | Decimal)


def whole_number(field: str, value: object, *, least: int | None = None) -> int:
    """Read 720, 720.0 or "720".

    :param least: the smallest number that is allowed; None for any.
    :raises InvalidArgument: for anything else.
    """
    number = number_or_none(field, value)
    if number is None or number != int(number) or (least is not None and number < least):
        least_text = "" if least is None else f", {least} or more"
        hint = yaml_hint(value, text=False)
        raise InvalidArgument(f"`{field}` is {value!r}; it must be a whole number{least_text}.{hint}")
    return int(number)


def seconds(field: str, value: object) -> float:
    """Read a length of time: a number of seconds, its text, or a timedelta.

    :raises InvalidArgument: for anything else, and for a negative one.
    """
    return amount(field, value.total_seconds() if isinstance(value, timedelta) else value)


def amount(field: str, value: object) -> float:
    """Read a number that is 0 or more, or its text.

    :raises InvalidArgument: for anything else, and for what an empty template renders: "", "None" ...
    """
    number = number_or_none(field, value)
    if number is None:
        raise InvalidArgument(f"`{field}` is {value!r}; it must be a number, 0 or more.")
    if number < 0:
        raise InvalidArgument(f"`{field}` is {value!r}; it must be 0 or more.")
    return number


def refuse_empty_template(field: str, value: object, written: object) -> None:
    """Refuse a text that a template renders if it finds no value: "None", "null", "nan" or "undefined".

    :param written: the argument as it stands in the DAG, before templates are rendered.
    """
    if isinstance(value, str) and value.strip().lower() in _RENDERED_FROM_NOTHING:
        template = f": its template {written!r} found no value" if value != written else ""
        raise InvalidArgument(f"`{field}` is {value!r}{template}; it must be a text.")
    if value != written and value in ("True", "False"):
        raise InvalidArgument(
            f"`{field}` is {value!r}, of the template {written!r}; it must be a text.{yaml_hint(value)}"
        )


def refuse_empty_templates(field: str, value: object, written: object) -> None:
    """Refuse, anywhere in a value, a template that found no value; a literal "None" is the user's own.

    :param field: the argument, and then the place in it, for the error.
    :param written: the argument as it stands in the DAG, before templates are rendered.
    """
    if isinstance(value, Mapping) and isinstance(written, Mapping):
        for name in value.keys() & written.keys():
            refuse_empty_templates(f"{field}.{name}", value[name], written[name])
    elif isinstance(value, list | tuple) and isinstance(written, list | tuple):
        for index, (rendered, template) in enumerate(zip(value, written, strict=False)):
            refuse_empty_templates(f"{field}.{index}", rendered, template)
    elif value != written:
        refuse_empty_template(field, value, written)


def one_of(field: str, value: object, words: Sequence[str]) -> None:
    """Refuse any but these words.

    :raises InvalidArgument: for any other.
    """
    if value not in words:
        known = " or ".join(f"`{word}`" for word in words)
        raise InvalidArgument(f"`{field}` is {value!r}; it must be {known}.{yaml_hint(value, words)}")


def number_or_none(field: str, value: object) -> float | None:
    """Read 5, 5.0, "5", the Decimal of a database, or None and what templates make of it.

    :raises InvalidArgument: anything else.
    """
    if _is_nothing(value):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise InvalidArgument(
            f"`{field}` is {shown_value(value)}; it must be a number.{yaml_hint(value, text=False)}"
        )
    try:
        number = float("" if isinstance(value, str) and "_" in value else value)  # `1_5` is a typing error
    except (ValueError, OverflowError):
        hint = yaml_hint(value, text=False)
        raise InvalidArgument(f"`{field}` is {shown_value(value)}; it must be a number.{hint}") from None
    if number - number != 0:  # NaN and the infinities
        raise InvalidArgument(f"`{field}` is {value!r}; it must be a finite number.")
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
    hint = yaml_hint(value, text=False)
    raise InvalidArgument(f"`{field}` is {shown_value(value)}; it must be True or False.{hint}")


def name_or_none(field: str, value: object) -> str | None:
    """Read a name, such as an id or a label, or None and what templates make of it.

    :raises InvalidArgument: for what is no text and no number, and for a text that can't be stored.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidArgument(f"`{field}` is {shown_value(value)}; it must be a text.{yaml_hint(value)}")
    text = str(value).strip()
    if problem := unsendable(text):
        raise InvalidArgument(f"`{field}` {problem}.")
    return None if _is_nothing(text) else text


def unsendable(text: str) -> str | None:
    """Say why a text can't be sent to the queue, or stored in Airflow's database; None if it can.

    A NUL is a valid character of JSON, but PostgreSQL stores no text that has one.
    """
    position = text.find("\0")
    if position >= 0:
        return f"has a NUL character at position {position}, which can't be stored: remove it"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return (
            f"has half a surrogate pair ({text[error.start]!r}) at position {error.start}, which can't be"
            " encoded: the text was cut inside a character, or read with the wrong encoding"
        )
    return None


def refuse_unsendable(field: str, value: object) -> None:
    """Refuse, anywhere in a value, a text that can't be sent, and a key that is no text.

    :param field: the argument, and then the place in it, for the error.
    :raises InvalidArgument: naming the place.
    """
    if isinstance(value, str):
        if problem := unsendable(value):
            raise InvalidArgument(f"`{field}` {problem}.")
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if not isinstance(name, str):
                raise InvalidArgument(
                    f"`{field}` has the key {name!r}; each key must be a text.{yaml_hint(name)}"
                )
            refuse_unsendable(field, name)
            refuse_unsendable(f"{field}.{name}", part)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            refuse_unsendable(f"{field}.{index}", part)
    elif value is not None and not isinstance(value, int | float):
        raise InvalidArgument(f"`{field}` is {shown_value(value)}, which has no JSON.{yaml_hint(value)}")


def text_or_none(value: Any) -> str | None:
    """Read a text, or None and what templates make of it."""
    return None if _is_nothing(value) else str(value)


def read_structure(value: object) -> object:
    """Return what a text stands for if it is the JSON, or the Python text, of a dict or a list.

    :return: None for None and what templates make of it; any other text without the blanks around it; what is
        no text as it is.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _is_nothing(text):
        return None
    if text[:1] not in ("{", "["):
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def read_object_options(value: object) -> dict[str, Any]:
    """Return the parameters of S3's calls.

    :raises InvalidArgument: for what is no dict with names for keys.
    """
    value = read_structure(value)
    if value is None or value == "":
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InvalidArgument(
            f"`object_options` is {shown(value)!r}; it must be a dict of parameters of S3's calls, such as"
            ' {"ServerSideEncryption": "aws:kms"}.'
        )
    return dict(value)


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() in _NOTHING)
