"""Places inside a payload: a field, or a field of an object in a list, as ``image_list.0.image_url``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

DEPTH_MAX: Final = 20
"""Objects and lists that are looked into, one in another; what lies deeper is one value."""


def leaves(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return every value of a payload that is no object and no list, by its place; null ones left out."""
    return {place: value for place, value in _walk("", payload, DEPTH_MAX) if value is not None}


def at(payload: Mapping[str, Any], place: str) -> Any:
    """Return the value at a place; None if the payload has no such place."""
    value: Any = payload
    for name in place.split("."):
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list | tuple) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def with_values(payload: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a payload with values at places; the objects and lists around a place must exist.

    :param values: the new values by place.
    """
    made = _copy(payload)
    for place, value in values.items():
        *way, last = place.split(".")
        inner = made
        for name in way:
            inner = inner[int(name)] if isinstance(inner, list) else inner[name]
        if isinstance(inner, list):
            inner[int(last)] = value
        else:
            inner[last] = value
    return dict(made)


def _walk(place: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    inner: Any = None
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    if inner is None or not depth:
        yield place, value
        return
    for name, each in inner:
        yield from _walk(f"{place}.{name}" if place else str(name), each, depth - 1)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _copy(inner) for name, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list | tuple) else value
