"""What a request has produced, read by name, and all of it as far as a task can hand it on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kling_airflow.gmi.json_values import error_text, http_url, is_deep

HANDED_ON_BYTES: Final = 32_768
"""How much of an outcome a task hands on, as JSON: it goes through a trigger's event and an XCom."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a terminal request has produced.

    :param video_url: the address of the first medium, of a clip as a rule; None if the queue named no media.
    :param thumbnail_url: a still image of the clip; None if the queue named none.
    :param error: why the request failed; None if the queue gave no reason.
    :param values: the whole outcome as the queue sent it, unknown keys included.
    """

    video_url: str | None = None
    thumbnail_url: str | None = None
    error: str | None = None
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Outcome:
        """Return the outcome of a record; an empty one if the record has none."""
        raw, error = data.get("outcome"), _reason(data)
        if not raw or not isinstance(raw, dict):
            return cls(error=error) if error else NO_OUTCOME  # one shared object for most rows of a list
        return cls(
            video_url=_first_media(raw.get("media_urls")) or http_url(raw.get("video_url")),
            thumbnail_url=http_url(raw.get("thumbnail_image_url")),
            error=error_text(raw.get("error")) or error or error_text(raw.get("message")),
            values=raw,
        )

    def handed_on(self) -> tuple[dict[str, Any], list[str]]:
        """Return what a task hands on, and the keys that it leaves out because they are too large.

        The smaller a value, the sooner it is taken: an id is never left out because a picture is beside it.
        A value that no database takes as JSON (not a number, NUL, half a surrogate pair) is left out, too.
        """
        sizes = {name: _size(name, value) for name, value in self.values.items()}
        kept, total = set(), 0
        for name in sorted(sizes, key=lambda name: sizes[name] or 0):
            size = sizes[name]
            if size is not None and total + size <= HANDED_ON_BYTES:
                kept.add(name)
                total += size
        return (
            {name: value for name, value in self.values.items() if name in kept},
            [_name(name) for name in self.values if name not in kept],
        )


NO_OUTCOME: Final = Outcome()


def _size(name: str, value: Any) -> int | None:
    """Return a value's length as JSON, in bytes; None for one that can't be handed on."""
    if is_deep(value):
        return None
    try:
        text = json.dumps({name: value}, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, TypeError):
        return None
    return None if "\\u0000" in text else size


def _name(name: str) -> str:
    """Return a key as it can be named in a list of keys."""
    return name[:100].encode("ascii", "backslashreplace").decode().replace("\0", "\\0")


def _first_media(media: object) -> str | None:
    """Read ``media_urls``: objects with a ``url`` by the documentation; other models return plain strings."""
    if isinstance(media, list):
        for item in media:
            if url := http_url(item.get("url") if isinstance(item, dict) else item):
                return url
    return None


def _reason(data: Mapping[str, Any]) -> str | None:
    """Read the reason beside the outcome: it counts after `outcome.error` and before `outcome.message`."""
    return (
        error_text(data.get("error"))
        or error_text(data.get("error_message"))
        or error_text(data.get("reason"))
    )
