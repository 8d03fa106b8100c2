"""Dicts and lists that a template has rendered to text."""

from __future__ import annotations

import ast
import json

_NOTHING = ("none", "null", "")


def read_structure(value: object) -> object:
    """Return what a text stands for if it is the JSON, or the Python text, of a dict or a list.

    :return: None for None and what templates make of it; any other text without the blanks around it; what is
        no text as it is.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in _NOTHING:
        return None
    if text[:1] not in ("{", "["):
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text
