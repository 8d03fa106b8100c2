"""An order (what is asked for), what a submission needs to place it, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol, Self

from kling_airflow.errors import InvalidArgument
from kling_airflow.gmi.request import Page, Request

ADDRESS: Final = "address:"
"""The beginning of the identity of a frame that is only passed on."""


class Queue(Protocol):
    """The calls of a client that a submission makes."""

    def submit(self, model: str, payload: Mapping[str, Any]) -> Request:
        """Send one submission, once."""
        ...

    def get(self, request_id: str) -> Request:
        """Return a request in its present state."""
        ...

    def list_page(self, model: str, *, limit: int, offset: int) -> Page:
        """Return one page of a model's requests, newest first."""
        ...

    def queue_time(self) -> float | None:
        """Return the queue's own time now, in Unix seconds; None if no response has told it yet."""
        ...


class Log(Protocol):
    """A task's logger, or any logger of ``logging``."""

    def info(self, message: str, /, *args: Any) -> Any:
        """Log a step that went well."""
        ...

    def warning(self, message: str, /, *args: Any) -> Any:
        """Log a fault that was repaired."""
        ...

    def error(self, message: str, /, *args: Any) -> Any:
        """Log what a person should look at."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveredFrames:
    """Frames in a place where the queue can read them.

    :param values: the payload's value for each frame, by field: an address, or Base64.
    :param marker: the text that makes the request recognizable in the queue's list; None if there is none.
    :param addresses: the addresses of uploaded frames, by field: a repeated POST carries the same ones.
    """

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    marker: str | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)


class Deliver(Protocol):
    """Brings an order's frames to the queue."""

    def __call__(self, order_id: str, marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
        """Deliver the frames.

        :param order_id: the order's id, which goes into the metadata of every frame that is delivered.
        :param marker: the marker of an earlier delivery of the same order, to be used again.
        :param addresses: the addresses of an earlier delivery of the same order, to be used again.
        """
        ...


class Frame(Protocol):
    """A frame as the user gave it."""

    @property
    def identity(self) -> str:
        """A hash of what the frame shows, or of its address if it is only passed on."""
        ...

    def address(self) -> str:
        """Return an address that the queue can read."""
        ...


def is_address(identity: str) -> bool:
    """Return whether a frame's identity is that of its address, because the frame is only passed on."""
    return identity.startswith(ADDRESS)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    :param model: the model's id.
    :param fingerprint: differs from the fingerprint of every other order.
    :param take: the number of the take of the same order, 1 for the first.
    :param deliver: brings the frames to the queue.
    :param payload: makes the payload that is sent, given the values of the delivered frames.
    :param fields: what the payload asks, without the frames.
    :param frames: the frames, by their place in the payload (``image``, ``image_list.0.image_url``), the
        start frame first.
    :param price_usd: what the clip costs by the table of models, in US dollars; None if it has no price.
    :param ask_price: asks the queue's catalog what it costs; None if that is not known, too.
    """

    model: str
    fingerprint: str
    take: int
    deliver: Deliver
    payload: Callable[[Mapping[str, str]], Mapping[str, Any]]
    fields: Mapping[str, Any]
    frames: Mapping[str, Frame] = field(default_factory=dict)
    price_usd: float | None = None
    ask_price: Callable[[], float | None] = lambda: None

    @property
    def summary(self) -> str:
        """The order in a few words, for the log: model, seconds, sound, price, take."""
        seconds, sound = self.fields.get("duration"), self.fields.get("sound")
        parts = [
            self.model,
            None if seconds is None else f"{seconds} s",
            None if sound is None else "with sound" if str(sound).lower() in ("on", "true") else "silent",
            "price unknown" if self.price_usd is None else f"${self.price_usd:.2f}",
            f"take {self.take}" if self.take > 1 else None,
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Submitted:
    """A request that is in the queue and in the ledger.

    :param request_id: the queue's id.
    :param fresh: whether this call has bought the request; False if the request was found again.
    :param submitted_at: when the queue took the request, in Unix seconds; None if this is not known.
    :param earlier: the number of failed requests of the same order before this one.
    """

    request_id: str
    fresh: bool
    submitted_at: float | None = None
    earlier: int = 0


class _Choice(StrEnum):
    """A setting with a fixed set of words."""

    @classmethod
    def setting(cls) -> str:
        """Return the argument's name, for errors."""
        raise NotImplementedError

    @classmethod
    def read(cls, value: object) -> Self:
        """Return the choice that a user names.

        :raises InvalidArgument: for any other word.
        """
        try:
            return cls(str(value).strip().lower())
        except ValueError:
            words = " or ".join(f"`{word}`" for word in cls)
            raise InvalidArgument(f"`{cls.setting()}` is {value!r}; it must be {words}.") from None


class OnUnresolved(_Choice):
    """What to do if a lost submission was neither found nor ruled out when the grace is over."""

    FAIL = "fail"
    """Fail, so that a person decides."""
    RESUBMIT = "resubmit"
    """Send again. The user accepts that the clip may be bought twice."""

    @classmethod
    def setting(cls) -> str:
        """Return the argument's name."""
        return "on_unresolved"


class OnChanged(_Choice):
    """What to do if this task instance has another order that is not known to have failed."""

    SUBMIT = "submit"
    """Submit the new order too: one more clip."""
    FAIL = "fail"
    """Refuse the new order: nothing is bought."""
    REUSE = "reuse"
    """Return the request of the other order: nothing is bought."""

    @classmethod
    def setting(cls) -> str:
        """Return the argument's name."""
        return "on_changed_request"


class SubmitLater(Exception):
    """Nothing can be done now; the caller submits the same order again later.

    :param seconds: how long the caller waits.
    :param why: the reason, for the log.
    """

    def __init__(self, seconds: float, why: str) -> None:
        self.seconds = seconds
        self.why = why
        super().__init__(f"{why} Coming back in {seconds:.0f} s.")
