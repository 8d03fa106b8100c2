"""One HTTP response of the queue: its status, its headers, its body, and the JSON in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from kling_airflow.gmi.request import error_text

_MESSAGE_MAX_CHARACTERS = 300
_MESSAGE_MAX_BYTES = 20_000


@dataclass(frozen=True, slots=True)
class Response:
    """What the queue sent back.

    :param status: the HTTP status.
    :param headers: with lower-case names.
    :param body: the whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def retry_after(self) -> float | None:
        """Seconds that ``Retry-After`` asks for, as a number or a date; None without a readable one."""
        value = self.headers.get("retry-after", "").strip()
        if value.isdecimal():
            return float(value)
        date = _http_date(value)
        return None if date is None else max(0.0, date - time.time())

    @property
    def served_at(self) -> float | None:
        """The server's clock, from its ``Date`` header, in Unix seconds; None without a readable one."""
        return _http_date(self.headers.get("date", ""))

    @property
    def message(self) -> str:
        """What the body says about an error, shortened: JSON's ``error``, or the first line of text."""
        text = self.body[:_MESSAGE_MAX_BYTES].decode("utf-8", errors="replace")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return "" if self.is_html else _shortened(text.strip().partition("\n")[0])
        if isinstance(data, Mapping):
            return _shortened(error_text(data.get("error")) or error_text(data.get("message")) or "")
        return ""

    @property
    def is_html(self) -> bool:
        """Whether the body is an HTML page: then the response comes from a gateway, not from the queue."""
        if "html" in self.headers.get("content-type", "").lower():
            return True
        return self.body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))

    def json(self) -> Any:
        """Return the JSON of the body.

        JSON that only a lenient parser reads (NaN, UTF-16, half a surrogate pair) is read as well.

        :raises ValueError: if the body is not JSON.
        :raises RecursionError: if the JSON is nested too deeply.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return json.loads(self.body)


def _http_date(value: str) -> float | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MESSAGE_MAX_CHARACTERS else f"{text[:_MESSAGE_MAX_CHARACTERS]}..."
