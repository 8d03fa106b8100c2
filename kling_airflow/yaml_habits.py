"""What YAML 1.1 makes of text without quotes, recognised in a value that an argument can't take.

A DAG factory or a sheet of shots is often YAML. PyYAML reads ``16:9`` as the number 969, ``no`` as False,
``010`` as 8, and ``2026-11-27`` as a date. The error of the argument then names what stands in the file.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from typing import Final

_SPELLED: Final = {True: "`yes`, `on` and `true`", False: "`no`, `off` and `false`"}
_TIME: Final = re.compile(r"\d+(?::\d+)+(?:\.\d*)?")
_WITH_UNIT: Final = re.compile(r"\d+(?:[.,]\d+)?\s*[a-zA-Z%$\u20ac]+|P[\dTDHMS.]+")
_LARGEST: Final = 10_000_000  # numbers above are no habit of YAML
_QUOTES: Final = ": put quotes around the text in the YAML file"


def yaml_hint(value: object, words: Collection[str] = (), *, text: bool = True) -> str:
    """Return what YAML has probably read; "" if the value doesn't look like that. Begins with a blank.

    :param value: what an argument can't take: a value, or its text as a template renders it.
    :param words: the texts that the argument takes, if it takes a few only.
    :param text: whether the argument takes a text, so that quotes mend the file.
    """
    quotes = _QUOTES if text else ""
    if isinstance(value, str):
        return _hint_of_text(value.strip(), words, quotes) or ("" if text else _hint_of_unit(value.strip()))
    if isinstance(value, bool):
        return f" YAML reads {_SPELLED[value]} without quotes as {value}{quotes}."
    if isinstance(value, date):
        return f" YAML reads a date without quotes as a {type(value).__name__}, not as a text{quotes}."
    if isinstance(value, int) and text:
        return _hint_of_number(value, words)
    if isinstance(value, float) and text:
        return f" YAML reads digits without quotes as a number{quotes}."
    return ""


def range_hint(value: object, least: float, most: float) -> str:
    """Return what YAML has probably read, if a number is out of range; "" otherwise. Begins with a blank.

    :param value: the number, or anything else that was refused.
    :param least: the least that the argument takes.
    :param most: the most that the argument takes.
    """
    if (
        isinstance(value, bool)
        or not isinstance(value, int)
        or least <= value <= most
        or not 8 <= value <= _LARGEST
    ):
        return ""
    octal = int(f"{value:o}")
    if least <= octal <= most:
        return f" If `0{octal}` stands in the YAML file: YAML reads that as {value}; leave out the zero."
    if value > most and 60 <= value < 60**3:
        minutes, seconds = divmod(value, 60)
        hours, minutes = divmod(minutes, 60)
        time = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f" If `{time}` stands in the YAML file: YAML reads that as {value}; write one number."
    return ""


def _hint_of_unit(text: str) -> str:
    """Return the hint of a text where a number belongs."""
    if _TIME.fullmatch(text):
        return " Write one number, without colons."
    return " Write the number without a unit." if _WITH_UNIT.fullmatch(text) else ""


def _hint_of_text(text: str, words: Collection[str], quotes: str) -> str:
    """Return the hint of a text that a template may have rendered of another value."""
    if text in ("True", "False"):
        return f" YAML reads {_SPELLED[text == 'True']} without quotes as {text}{quotes}."
    pair = _pair(int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    if pair is not None and pair in words:
        return _hint_of_number(int(text), words)
    if text[:2].lower() in ("0o", "0x", "0b"):
        return f" Write the number with decimal digits: {text[:20]!r} is none."
    return ""


def _hint_of_number(number: int, words: Collection[str]) -> str:
    pair = _pair(number)
    if pair is not None and (pair in words or any(":" in word for word in words)):
        return f" YAML reads `{pair}` without quotes as the number {number}{_QUOTES}."
    return f" YAML reads digits without quotes as a number, and `010` as 8{_QUOTES}."


def _pair(number: int) -> str | None:
    """Return the ``16:9`` that YAML reads as this number: it counts in sixties."""
    return f"{number // 60}:{number % 60}" if 60 <= number < 60**3 else None
