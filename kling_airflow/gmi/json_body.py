"""The body of a call as JSON. A value that has no JSON is refused by its name, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kling_airflow.errors import InvalidArgument

_DEEPEST: Final = 100
"""Levels of nesting; the documented payloads have three."""


def json_body(body: Mapping[str, Any]) -> bytes:
    """Return a call's body as JSON.

    :raises InvalidArgument: if a value has no JSON: another type, NaN, half a character, too deep a nesting.
    """
    for name, value in body.items():
        for place, part in _parts(name, value, 0):
            if (reason := _reason(part)) is not None:
                raise InvalidArgument(f"`{place}` is {_shown(part)}; it can't be sent as JSON: {reason}.")
    return json.dumps(body, allow_nan=False).encode()


def _parts(name: str, value: object, depth: int) -> Iterator[tuple[str, object]]:
    """Return each value within a value that has no values within, with its place."""
    if depth > _DEEPEST:
        raise InvalidArgument(
            f"`{name[:40]}...` can't be sent as JSON: it is nested too deeply, more than {_DEEPEST} levels."
        )
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidArgument(
                    f"`{name}` has the key {_shown(key)}; it can't be sent as JSON: a key must be a text."
                )
            yield f"key of {name}", key
            yield from _parts(f"{name}[{key!r}]", inner, depth + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _parts(f"{name}[{index}]", inner, depth + 1)
    else:
        yield name, value


def _reason(value: object) -> str | None:
    """Return why a single value has no JSON; None if it has one."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()  # raises for half a surrogate pair
    except UnicodeEncodeError:
        return "the text has half a surrogate pair, which can't be encoded"
    except TypeError:
        return f"{type(value).__name__} is no type of JSON"
    except ValueError:
        return "JSON has no such number"
    return None


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a number with thousands of digits
        return "a number that is too large"
    return text if len(text) <= 80 else f"{text[:80]}..."
