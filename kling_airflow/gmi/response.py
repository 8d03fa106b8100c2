"""What an answer of the queue means, and what a lost one does.

The one place where the wire contract's table of HTTP errors stands. Each failure of a submission is told
apart into three: it may be sent again, it must not, and nobody knows.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

import msgspec

from kling_airflow.errors import (
    AmbiguousSubmission,
    GMIError,
    InsufficientCredits,
    Money,
    NotAccepted,
    NotFound,
    Rejected,
    ResponseTooLarge,
    Unauthorized,
    Unreachable,
    WrongService,
)
from kling_airflow.gmi.call import Call, CallKind
from kling_airflow.gmi.request import error_text

_CAPACITY = re.compile(r"capacity", re.IGNORECASE)
_UPSTREAM_REFUSED = re.compile(r"backend error \((400|403)\)", re.IGNORECASE)
_REFUSED_FOR_GOOD = frozenset({400, 406, 410, 411, 413, 414, 415, 422, 431})
"""4xx that say by their definition that nothing was done; the contract names 400, the rest is HTTP's."""
_WORDS_MAX = 300


class Lost(Enum):
    """How far a call had come when its connection failed."""

    BEFORE_SENDING = "before it was sent"
    """DNS, refused connection, connect timeout: the queue never saw it (contract: safe to send again)."""
    AFTER_SENDING = "after it was sent"
    """Read timeout, reset, deadline: the queue may have seen all of it."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back.

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
        when = _http_date(value)
        return None if when is None else max(0.0, when - time.time())

    @property
    def served_at(self) -> float | None:
        """The server's clock, from its ``Date`` header, in Unix seconds; None without a readable one."""
        return _http_date(self.headers.get("date", ""))

    @property
    def words(self) -> str:
        """What the body says of an error, shortened: JSON's ``error``, or the first line of text."""
        text = self.body[:20_000].decode("utf-8", errors="replace")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return "" if self.is_html else _shorten(text.strip().partition("\n")[0])
        if isinstance(data, Mapping):
            return _shorten(error_text(data.get("error")) or error_text(data.get("message")) or "")
        return ""

    @property
    def is_html(self) -> bool:
        """Whether this is a page for people, so not from the queue itself."""
        if "html" in self.headers.get("content-type", "").lower():
            return True
        return self.body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def read_json(call: Call, answer: Response) -> Any:
    """Return the JSON of a good answer (200, 201, 202).

    :raises GMIError: the error that stands for a refusal or an unreadable answer.
    """
    if answer.status not in {200, 201, 202}:
        raise refusal(call, answer)
    try:
        return _parsed(answer.body)
    except (ValueError, RecursionError):
        raise unreadable(call, answer, "is an HTML page" if answer.is_html else "is not JSON") from None


def _parsed(body: bytes) -> Any:
    """Read JSON; what only a lenient parser takes (NaN, UTF-16, half a surrogate pair) is read, too."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return json.loads(body)


def refusal(call: Call, answer: Response) -> GMIError:
    """Return what an answer that isn't a 2xx means for this call."""
    if call.kind is CallKind.UPLOAD and not call.keyed:
        return _upload_refused(call, answer)
    if (error := _permanent(call, answer)) is not None:
        return error
    return _submit_failed(answer) if call.kind is CallKind.SUBMIT else _unreachable(call, answer)


def lost(call: Call, how: Lost, reason: str) -> GMIError:
    """Return what a broken connection means for this call.

    :param reason: what the transport said, without URLs that hold secrets.
    """
    if call.kind is not CallKind.SUBMIT:
        return Unreachable(f"No answer about {call.subject}: {reason}.", **_stake(call))
    if how is Lost.BEFORE_SENDING:
        return NotAccepted(f"The submission did not reach the queue: {reason}.")
    return AmbiguousSubmission(f"The answer to the submission was lost: {reason}.")


def too_large(call: Call) -> GMIError:
    """Return what an answer without end means: it was cut, so it is as good as lost."""
    reason = f"the answer is larger than {call.max_bytes} bytes"
    if call.kind is CallKind.SUBMIT:
        return lost(call, Lost.AFTER_SENDING, reason)
    return ResponseTooLarge(f"No answer about {call.subject}: {reason}.", **_stake(call))


def unreadable(call: Call, answer: Response, why: str) -> GMIError:
    """Return what a 2xx that can't be read means for this call."""
    if call.kind is CallKind.SUBMIT:
        return AmbiguousSubmission(f"The queue answered {answer.status}, but the answer {why}.")
    if answer.is_html:
        return WrongService(f"The answer about {call.subject} ({answer.status}) {why}.", **_stake(call))
    return Unreachable(f"The answer about {call.subject} ({answer.status}) {why}.", **_stake(call))


def without_request_id(answer: Response) -> AmbiguousSubmission:
    """Return what a 2xx without a readable request id means: it may well have been accepted."""
    return AmbiguousSubmission(f"The queue answered {answer.status} without a readable request id.")


def _permanent(call: Call, answer: Response) -> GMIError | None:
    """Read the codes that mean the same for every call, and will mean it again."""
    said, stake = _said(answer), _stake(call)
    match answer.status:
        case 401 | 403:
            return Unauthorized(f"The queue refused the API key{said}.", **stake)
        case 402:
            return InsufficientCredits(f"The account has no credit left{said}.", **stake)
        case 405:
            return WrongService(f"The address does not take this call{said}.", **stake)
        case 404 if answer.is_html:
            return WrongService(f"There is no request queue at this address{said}.", **stake)
        case 404:
            if call.request_id is not None:
                stake["money"] = Money.UNKNOWN
            return NotFound(f"The queue does not know {call.subject}{said}.", todo=_find_it(call), **stake)
        case 301 | 307 | 308:
            what = f"The address only redirects{said}; a redirect is never followed with a key."
            return WrongService(what, **stake)
        case status if status in _REFUSED_FOR_GOOD:
            return Rejected(f"The queue refused the call about {call.subject}{said}.", **stake)
    return None


def _stake(call: Call) -> dict[str, Any]:
    """Say what money hangs on a call: asking about a request changes nothing, but its clip is being made."""
    if call.request_id is None:
        return {"money": Money.UNSPENT}
    return {"money": Money.HELD, "request_id": call.request_id}


def _find_it(call: Call) -> str:
    if call.request_id is None:
        return "Check the model's name (case matters) and whether the key may use it."
    return (
        "Check the request id, and that the connection's key belongs to the organization that submitted it;"
        " a request made in the web console can't be read with an API key."
    )


def _submit_failed(answer: Response) -> GMIError:
    """Tell a submission that was surely not taken from one that may have been."""
    said = _said(answer)
    if answer.status == 429:
        return NotAccepted(f"The queue's rate limit is reached{said}.", retry_after=answer.retry_after)
    if answer.status == 503 and _CAPACITY.search(answer.words):
        return NotAccepted(f"The queue has no capacity now{said}.", retry_after=answer.retry_after)
    if answer.status == 500 and _UPSTREAM_REFUSED.search(answer.words):
        return Rejected(
            f"The upstream vendor refused the submission{said}.",
            money=Money.NOT_BILLED,
            todo="Change the prompt or the frames; a `failed` record in the queue's list is of this one.",
        )
    return AmbiguousSubmission(f"The queue's answer does not say whether it took the submission{said}.")


def _unreachable(call: Call, answer: Response) -> Unreachable:
    what = f"No answer about {call.subject}{_said(answer)}."
    return Unreachable(what, retry_after=answer.retry_after, **_stake(call))


def _upload_refused(call: Call, answer: Response) -> GMIError:
    """Read the object store's answer, which is XML and quotes the signed URL: its words are left out."""
    if answer.status in {400, 403}:
        return Unreachable(
            f"The {call.subject} was refused (HTTP {answer.status}): its address has expired or the content"
            " type isn't the one it was signed for.",
            money=Money.UNSPENT,
        )
    return Unreachable(
        f"The {call.subject} failed (HTTP {answer.status}).",
        money=Money.UNSPENT,
        retry_after=answer.retry_after,
    )


def _http_date(value: str) -> float | None:
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _said(answer: Response) -> str:
    words = answer.words.rstrip(".") or ("an HTML page" if answer.is_html else "")
    return f" (HTTP {answer.status}: {words})" if words else f" (HTTP {answer.status})"


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _WORDS_MAX else f"{text[:_WORDS_MAX]}..."
