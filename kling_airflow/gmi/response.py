"""One HTTP response of the queue: its status, its headers, its body, and the JSON in it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from kling_airflow.gmi.json_values import error_text
from kling_airflow.redaction import redacted

MAX_RETRY_AFTER: Final = 3600.0
"""Seconds. A longer ``Retry-After`` is shortened: the rate limits of the queue count requests per hour."""
_MESSAGE_MAX_CHARACTERS = 300
_MESSAGE_MAX_BYTES = 20_000
_DATE_MAX_CHARACTERS = 100


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
        """Seconds that ``Retry-After`` asks for, at most an hour; None without a readable number or date."""
        value = self.headers.get("retry-after", "").strip()
        if value.isdecimal():
            return min(float(value), MAX_RETRY_AFTER)
        date = _http_date(value)
        if date is None:
            return None
        # The server's own clock, if it says: the clock of this machine may differ.
        now = time.time() if self.served_at is None else self.served_at
        return min(max(0.0, date - now), MAX_RETRY_AFTER)

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
        except (ValueError, RecursionError):  # cut, malformed, or nested too deeply
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
        date = parsedate_to_datetime(value[:_DATE_MAX_CHARACTERS])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):  # all of them for some odd text
        return None


def _shortened(text: str) -> str:
    text = redacted(" ".join(text[:_MESSAGE_MAX_BYTES].split()))
    return text if len(text) <= _MESSAGE_MAX_CHARACTERS else f"{text[:_MESSAGE_MAX_CHARACTERS]}..."
