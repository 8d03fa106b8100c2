"""What is asked for, what is needed to ask, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from kling_airflow.errors import InvalidArgument
from kling_airflow.gmi.request import Page, Request


class Queue(Protocol):
    """What a submission needs of a client."""

    def submit(self, model: str, payload: Mapping[str, Any]) -> Request:
        """Send one submission, once."""
        ...

    def get(self, request_id: str) -> Request:
        """Return a request as it stands."""
        ...

    def list_page(self, model: str, *, limit: int, offset: int) -> Page:
        """Return one page of a model's requests, newest first."""
        ...


class Log(Protocol):
    """Where each step is told to a person on call: a task's logger, or any of ``logging``'s."""

    def info(self, message: str, /, *args: Any) -> Any:
        """Tell what went well."""
        ...

    def warning(self, message: str, /, *args: Any) -> Any:
        """Tell what went wrong and was mended."""
        ...

    def error(self, message: str, /, *args: Any) -> Any:
        """Tell what a person should look at."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveredFrames:
    """Frames brought to where the queue can read them.

    :param values: what the payload says of each frame, by field: an address, or Base64.
    :param marker: what makes the request recognizable in the queue's list; None if nothing does.
    :param addresses: of uploaded frames, by field, so that a repeated POST carries the same.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    marker: str | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    :param model: the model's id.
    :param fingerprint: tells this order from any other.
    :param take: which take of the order, 1 for the first.
    :param deliver: brings the frames to the queue; given the marker and the addresses of an earlier delivery,
        it makes the same again.
    :param payload: makes the payload that is sent, given the values of the delivered frames.
    :param matches: whether a payload that the queue's list echoes asks just what this order asks: True or
        False; None for that and more. Needed if nothing marks the request.
    """

    model: str
    fingerprint: str
    take: int
    deliver: Callable[[str | None, Mapping[str, str]], DeliveredFrames]
    payload: Callable[[Mapping[str, str]], Mapping[str, Any]]
    matches: Callable[[Mapping[str, Any]], bool | None]


@dataclass(frozen=True, slots=True)
class Submitted:
    """A request that the queue has, and that the ledger knows.

    :param request_id: the queue's id.
    :param fresh: whether it was bought just now; False for one found again.
    :param submitted_at: when the queue took it, in Unix seconds; None where that isn't known.
    :param earlier: how many requests of this order have failed before.
    """

    request_id: str
    fresh: bool
    submitted_at: float | None = None
    earlier: int = 0


class OnUnresolved(StrEnum):
    """What to do with a submission that could be neither found nor ruled out when the grace is over."""

    FAIL = "fail"
    """Fail, and leave it to a person."""
    RESUBMIT = "resubmit"
    """Send again: the user's word that paying twice is better than waiting."""

    @classmethod
    def read(cls, value: object) -> OnUnresolved:
        """Return what a user names.

        :raises InvalidArgument: for any other word.
        """
        try:
            return cls(str(value).strip().lower())
        except ValueError:
            raise InvalidArgument(f"`on_unresolved` is {value!r}; it must be `fail` or `resubmit`.") from None


class SubmitLater(Exception):
    """Nothing can be done now: submit the same order again later.

    :param seconds: how long to stay away.
    :param why: for the log.
    """

    def __init__(self, seconds: float, why: str) -> None:
        self.seconds = seconds
        self.why = why
        super().__init__(f"{why} Coming back in {seconds:.0f} s.")
