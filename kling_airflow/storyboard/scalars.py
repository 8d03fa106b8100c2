"""Reads texts of a storyboard, and recognizes what YAML has made of a text without quotes."""

from __future__ import annotations

from datetime import date
from math import isfinite

_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "4:5", "21:9")


def text_of(value: object) -> tuple[str | None, str | None]:
    """Return the text that a value is, or why it is none.

    :return: the text and None; or None and the problem.
    """
    if isinstance(value, str):
        return value, None
    if isinstance(value, bool):
        words = "yes, on or true" if value else "no, off or false"
        return None, f"is {value}: YAML reads {words} without quotes so; put the text in quotes"
    if isinstance(value, int):
        ratio = next((each for each in _RATIOS if _base_60(each) == value), None)
        if ratio is not None and value > 60:
            return None, f'is {value}: YAML reads {ratio} without quotes so; write "{ratio}"'
        return str(value), None
    if isinstance(value, float):
        if not isfinite(value):
            return None, f"is {value}, which is no text; put the text in quotes"
        return str(value), None
    if isinstance(value, date):
        return None, f"is the date {value}: put the text in quotes"
    return None, f"is {type(value).__name__}; it must be a text"


def _base_60(text: str) -> int:
    """Return what YAML 1.1 makes of ``16:9``: a number to the base of 60."""
    left, _, right = text.partition(":")
    return int(left) * 60 + int(right)
