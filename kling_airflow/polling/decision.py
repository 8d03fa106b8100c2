"""Where it is decided that a wait is over: one pure function of what was last seen and of the clock.

The synchronous wait of a worker and the asynchronous wait of the triggerer both call it, with the request
that was read, or with the error that reading raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from kling_airflow.arguments import seconds
from kling_airflow.errors import (
    GenerationCancelled,
    GenerationFailed,
    GenerationTimeout,
    InvalidArgument,
    KlingError,
    Money,
    NotFound,
    Unauthorized,
    Unreachable,
)
from kling_airflow.gmi.request import Request, Status
from kling_airflow.redaction import shown_value

NOT_FOUND_GRACE: Final = 300.0
"""Seconds after the submission in which a 404 by id counts as pending. How soon the queue shows a new request
is not documented; this value is assumed."""

REFUSED_SECONDS: Final = 300.0
"""Seconds for which the queue must refuse the current key before a wait ends: while a key is rotated, the old
key is refused before every process has read the new one."""

MIN_INTERVAL: Final = 1.0
"""Seconds between two looks at one request, at least, whatever interval is asked for."""

_YEAR_10000: Final = 253_402_300_800.0

_TEMPORARY = re.compile(r"rate.?limit|too many requests|capacity|\bRPM\b", re.IGNORECASE)
_DOWNLOAD_FAILED = re.compile(r"failed to download media", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wait:
    """The limits of one wait; all times are Unix seconds.

    :param request_id: the request to wait for.
    :param started_at: when this wait began.
    :param deadline: when this wait gives up.
    :param unreachable_after: seconds without any good response of the queue after which this wait gives up.
    :param submitted_at: when the request was submitted; None if that is not known.
    """

    request_id: str
    started_at: float
    deadline: float
    unreachable_after: float = 1800.0
    submitted_at: float | None = None

    def checked(self) -> Wait:
        """Return the same wait with every value read as what it means.

        :raises InvalidArgument: for a value that can't be used, whatever its type.
        """
        return Wait(
            request_id=_text("request_id", self.request_id),
            started_at=_time("started_at", self.started_at),
            deadline=_time("deadline", self.deadline),
            unreachable_after=_seconds("unreachable_after", self.unreachable_after),
            submitted_at=None if self.submitted_at is None else _time("submitted_at", self.submitted_at),
        )

    def decide(
        self,
        seen: Request | KlingError,
        *,
        now: float,
        last_response_at: float | None,
        refused_since: float | None = None,
    ) -> Request | KlingError | None:
        """Return the request if its clip is there, the error that ends the wait, or None to go on waiting.

        :param seen: what the last look brought.
        :param now: the current time.
        :param last_response_at: when the queue last gave a good response in this wait; None if it never did.
        :param refused_since: when the queue began to refuse the current key; None if a refusal ends the wait
            at once, because the caller can't read another key.
        """
        if isinstance(seen, Request):
            if seen.status.terminal:
                return self._ended(seen)
            return None if now < self.deadline else self._timed_out(f"it is `{seen.status_text}`")
        if isinstance(seen, InvalidArgument):
            return seen
        if isinstance(seen, Unauthorized):
            if refused_since is None or now - refused_since >= REFUSED_SECONDS:
                return seen
            return None if now < self.deadline else self._timed_out(f"the last look failed: {seen.what}")
        if isinstance(seen, NotFound) and (
            now >= self._not_found_grace_ends_at() or self._never_submitted(now)
        ):
            return seen
        since = self.started_at if last_response_at is None else last_response_at
        if not isinstance(seen, NotFound) and now - since >= self.unreachable_after:
            return self._unreachable(now - since, seen)
        return None if now < self.deadline else self._timed_out(f"the last look failed: {seen.what}")

    def next_look(self, now: float, interval: float, *, retry_after: float | None = None) -> float:
        """Return the seconds until the next look: one interval, or less if the deadline comes before."""
        return max(0.0, min(max(interval, MIN_INTERVAL, retry_after or 0.0), self.deadline - now))

    def _never_submitted(self, now: float) -> bool:
        """Return whether the wait ends at its deadline, and its submission isn't known to have happened."""
        return self.submitted_at is None and now >= self.deadline

    def _not_found_grace_ends_at(self) -> float:
        return (self.submitted_at if self.submitted_at is not None else self.started_at) + NOT_FOUND_GRACE

    def _ended(self, request: Request) -> Request | KlingError:
        reason = request.outcome.error or "the queue gave no reason"
        match request.status:
            case Status.SUCCESS if request.has_result:
                return request
            case Status.SUCCESS:
                return self._without_result(request)
            case Status.FAILED:
                retryable = is_temporary(reason)
                return GenerationFailed(
                    f"Request {self.request_id} failed: {reason.rstrip('.')}.",
                    retryable=retryable,
                    todo=_SUBMIT_AGAIN if retryable else _CHANGE_AND_SUBMIT,
                    request_id=self.request_id,
                )
            case _:
                return GenerationCancelled(
                    f"Request {self.request_id} was cancelled in the queue.",
                    todo=_SUBMIT_AGAIN,
                    request_id=self.request_id,
                )

    def _without_result(self, request: Request) -> GenerationFailed:
        names = ", ".join(f"`{name[:60]}`" for name in list(request.outcome.values)[:10])
        held = f" The outcome has {names}." if names else ""
        return GenerationFailed(
            f"Request {self.request_id} succeeded, but its record names no"
            f" {'clip' if request.makes_clip else 'result'}.{held}",
            money=Money.SPENT,
            todo="Look the request up in the GMI Cloud console, or ask its support; it is billed."
            " GMICloudHook().get_conn().get(request_id).outcome.values reads its outcome, at any time.",
            request_id=self.request_id,
        )

    def _timed_out(self, last: str) -> GenerationTimeout:
        return GenerationTimeout(
            f"Request {self.request_id} did not end within {self.deadline - self.started_at:.0f} s; {last}.",
            todo="Run this task again: it waits for the same request and buys nothing. Or raise `timeout`.",
            request_id=self.request_id,
        )

    def _unreachable(self, silence: float, seen: KlingError) -> Unreachable:
        return Unreachable(
            f"The queue gave no good response about request {self.request_id} for {silence:.0f} s;"
            f" the last look: {seen.what}",
            todo="When the queue works again, rerun this task: it waits for this request and buys nothing.",
            request_id=self.request_id,
        )


def checked_interval(value: object) -> float:
    """Return the seconds between two looks, at least `MIN_INTERVAL`.

    :raises InvalidArgument: for a value that can't be used, whatever its type.
    """
    return max(_seconds("poll_interval", value), MIN_INTERVAL)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgument(f"`{name}` is {shown_value(value)}; it must be a text.")
    return value.strip()


def _seconds(name: str, value: object) -> float:
    try:
        return seconds(name, value)
    except (InvalidArgument, OverflowError):  # the latter for a number with hundreds of digits
        what = f"`{name}` is {shown_value(value)}; it must be a number of seconds, 0 or more."
        raise InvalidArgument(what) from None


def _time(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _YEAR_10000:
        raise InvalidArgument(f"`{name}` is {shown_value(value)}; it must be a time in Unix seconds.")
    return float(value)


_SUBMIT_AGAIN = "To submit again, clear the task that submitted the request, and the tasks after it."
_CHANGE_AND_SUBMIT = (
    "Change what the reason names, then clear the task that submitted the request, and the tasks after it."
)


def is_temporary(reason: str) -> bool:
    """Return whether a failure's reason says that the same submission may succeed later.

    One user saw a rate limit arrive as a terminal failure; missing capacity may do the same. Several users
    saw `Failed to download media`: the reason is temporary if this package uploaded the frame, and may be if
    the frame has an address of the user's.
    """
    return bool(_TEMPORARY.search(reason) or _DOWNLOAD_FAILED.search(reason))


def to_event(result: Request | KlingError) -> dict[str, Any]:
    """Return the end of a wait as plain JSON for a trigger's event, without the echo of the payload.

    :param result: what :meth:`Wait.decide` returned.
    """
    if isinstance(result, Request):
        return {"state": "done", "clip": result.clip().to_json()}
    event: dict[str, Any] = {
        "state": next((state for state, kind in _ERRORS.items() if isinstance(result, kind)), "error"),
        "what": result.what,
        "money": result.money.name,
        "todo": result.todo,
        "request_id": result.request_id,
    }
    if isinstance(result, GenerationFailed):
        event["retryable"] = result.retryable
    return event


def from_event(event: object) -> dict[str, Any]:
    """Return the clip of an event.

    :param event: what :func:`to_event` made, in this or in another version of the package.
    :raises KlingError: the error that ended the wait; ``Unreachable`` for an event that can't be read.
    """
    if not isinstance(event, dict) or not isinstance(event.get("state"), str):
        raise Unreachable(f"The trigger ended with an event that can't be read: {shown_value(event)}.")
    clip = event.get("clip")
    if event["state"] == "done" and isinstance(clip, dict):
        return clip
    kind = _ERRORS.get(event["state"], Unreachable)
    error = kind(
        str(event.get("what") or f"The wait ended with the unknown state {event['state']!r}."),
        money=Money.__members__.get(str(event.get("money")), Money.HELD),
        todo=str(event.get("todo") or ""),
        request_id=event.get("request_id"),
    )
    if isinstance(error, GenerationFailed):
        error.retryable = bool(event.get("retryable"))
    raise error


_ERRORS: dict[str, type[KlingError]] = {
    "failed": GenerationFailed,
    "cancelled": GenerationCancelled,
    "timeout": GenerationTimeout,
    "unreachable": Unreachable,
    "unauthorized": Unauthorized,
    "not_found": NotFound,
    "invalid": InvalidArgument,
}
