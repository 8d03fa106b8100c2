"""One pure decision, shared by every wait: what to do, given what was last seen and the clock.

The synchronous wait of a worker and the asynchronous one of the triggerer feed it the same way: the
request that was read, or the error that reading raised.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

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

NOT_FOUND_GRACE: Final = 300.0
"""Seconds after the submission in which a 404 by id counts as pending (assumed)."""

_PASSING = re.compile(r"rate.?limit|too many requests|capacity|\bRPM\b", re.IGNORECASE)
_DOWNLOAD = re.compile(r"failed to download media", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wait:
    """What one wait knows of itself; all times are Unix seconds.

    :param request_id: the request waited for.
    :param started_at: when this wait began.
    :param deadline: when it gives up.
    :param unreachable_after: seconds without any good answer after which it gives up.
    :param submitted_at: when the request was submitted; None where that isn't known.
    """

    request_id: str
    started_at: float
    deadline: float
    unreachable_after: float = 1800.0
    submitted_at: float | None = None

    def decide(
        self, seen: Request | KlingError, *, now: float, last_answer_at: float | None
    ) -> Request | KlingError | None:
        """Return the request when its clip is there, the error that ends the wait, or None to wait on.

        :param seen: what the last look brought.
        :param now: the clock.
        :param last_answer_at: when the queue last gave a good answer in this wait; None if it never did.
        """
        if isinstance(seen, Request):
            if seen.status.terminal:
                return self._ended(seen)
            return None if now < self.deadline else self._timed_out(f"it is `{seen.status_text}`")
        if isinstance(seen, Unauthorized | InvalidArgument):
            return seen
        if isinstance(seen, NotFound) and (now >= self._tolerated_until() or self._never_submitted(now)):
            return seen
        since = self.started_at if last_answer_at is None else last_answer_at
        if not isinstance(seen, NotFound) and now - since >= self.unreachable_after:
            return self._unreachable(now - since, seen)
        return None if now < self.deadline else self._timed_out(f"the last look failed: {seen.what}")

    def next_look(self, now: float, interval: float, *, retry_after: float | None = None) -> float:
        """Return the seconds until the next look: the interval, but never past the deadline."""
        return max(0.0, min(max(interval, retry_after or 0.0), self.deadline - now))

    def _never_submitted(self, now: float) -> bool:
        """Return whether the wait ends at its deadline, and its submission isn't known to have happened."""
        return self.submitted_at is None and now >= self.deadline

    def _tolerated_until(self) -> float:
        return (self.submitted_at if self.submitted_at is not None else self.started_at) + NOT_FOUND_GRACE

    def _ended(self, request: Request) -> Request | KlingError:
        reason = request.outcome.error or "the queue gave no reason"
        match request.status:
            case Status.SUCCESS if request.outcome.video_url:
                return request
            case Status.SUCCESS:
                return GenerationFailed(
                    f"Request {self.request_id} succeeded, but its record names no clip.",
                    money=Money.SPENT,
                    todo="Look the request up in the GMI Cloud console, or ask its support; it is billed.",
                    request_id=self.request_id,
                )
            case Status.FAILED:
                retryable = is_passing(reason)
                return GenerationFailed(
                    f"Request {self.request_id} failed: {reason.rstrip('.')}.",
                    retryable=retryable,
                    todo=_AGAIN if retryable else _CHANGE,
                    request_id=self.request_id,
                )
            case _:
                return GenerationCancelled(
                    f"Request {self.request_id} was cancelled in the queue.",
                    todo=_AGAIN,
                    request_id=self.request_id,
                )

    def _timed_out(self, last: str) -> GenerationTimeout:
        return GenerationTimeout(
            f"Request {self.request_id} did not end within {self.deadline - self.started_at:.0f} s; {last}.",
            todo="Run this task again to wait on: it waits for the same request and buys nothing."
            " Or raise `timeout`.",
            request_id=self.request_id,
        )

    def _unreachable(self, silence: float, seen: KlingError) -> Unreachable:
        return Unreachable(
            f"The queue gave no good answer about request {self.request_id} for {silence:.0f} s;"
            f" the last one: {seen.what}",
            todo="Once the queue answers, run this task again: it waits on and buys nothing.",
            request_id=self.request_id,
        )


_AGAIN = "Clear the task that submitted it, and what follows, to submit anew."
_CHANGE = "Change what the reason names, then clear the task that submitted it, and what follows."


def is_passing(reason: str) -> bool:
    """Return whether a failure's reason says that the same submission may succeed later.

    A rate limit can arrive as a terminal failure (once); so can capacity. A frame that couldn't be
    downloaded (seen) is passing where we uploaded it ourselves; for a URL of the user's, it may be.
    """
    return bool(_PASSING.search(reason) or _DOWNLOAD.search(reason))


def to_event(result: Request | KlingError) -> dict[str, Any]:
    """Return the end of a wait as plain JSON, small enough for a trigger's event: never the echo.

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

    :param event: what :func:`to_event` made, here or in another version.
    :raises KlingError: the error that ended the wait; ``Unreachable`` for an event that can't be read.
    """
    if not isinstance(event, dict) or not isinstance(event.get("state"), str):
        raise Unreachable(f"The trigger ended with an event that can't be read: {str(event)[:200]!r}.")
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
