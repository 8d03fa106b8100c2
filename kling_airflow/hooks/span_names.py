"""Every span that this package makes, and every attribute: the one list for the code, the docs and the tests.

An attribute that a span's list does not have is never sent. No list has a prompt, a key, or a signed address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PREFIX: Final = "kling"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a span, or of a span's event.

    :param name: without the prefix.
    :param kind: ``string``, ``int``, ``double`` or ``boolean``.
    :param says: what the value is.
    """

    name: str
    kind: str
    says: str

    @property
    def full_name(self) -> str:
        """The name that is sent. ``error.type`` is OpenTelemetry's own name."""
        return self.name if "." in self.name else f"{PREFIX}.{self.name}"


@dataclass(frozen=True, slots=True)
class SpanKind:
    """One kind of span.

    :param name: without the prefix.
    :param says: what lies between its start and its end.
    :param attributes: all that it may carry.
    :param events: the names of its events, without the prefix, each with its attribute.
    """

    name: str
    says: str
    attributes: tuple[Attribute, ...]
    events: tuple[tuple[str, Attribute], ...] = ()

    @property
    def full_name(self) -> str:
        """The name that is sent."""
        return f"{PREFIX}.{self.name}"

    def attribute(self, name: str) -> Attribute | None:
        """Return an attribute by its name without the prefix, None for one that is not in the list."""
        return next((each for each in self.attributes if each.name == name), None)


REQUEST_ID: Final = Attribute("request_id", "string", "the queue's id of the request")
MODEL: Final = Attribute("model", "string", "the model's id")
CONNECTION: Final = Attribute("connection", "string", "the id of the queue's Airflow connection")
SHOT: Final = Attribute("shot", "string", "a storyboard's take, by the name of its files")
TAKE: Final = Attribute("take", "int", "the number of the take, 1 for the first")
ORDER_STATE: Final = Attribute(
    "order_state", "string", "`bought`, `found` (an earlier try bought it), `adopted`, `paused` or `failed`"
)
PRICE: Final = Attribute("price_usd", "double", "the list price of the order, in US dollars")
EARLIER: Final = Attribute("earlier", "int", "how many requests of the order have failed before")
COST: Final = Attribute("cost_usd", "double", "the list price of the clip, in US dollars")
OUTCOME: Final = Attribute(
    "outcome",
    "string",
    "`done`, `failed`, `cancelled`, `timeout`, `unreachable`, `unauthorized`, `not_found`, `invalid` or"
    " `error`",
)
QUEUE_SECONDS: Final = Attribute(
    "queue_seconds", "double", "from submission to end, by the queue's own clock"
)
STATUS: Final = Attribute("status", "string", "the request's status, or the error that a look met")
BYTES: Final = Attribute("bytes", "int", "the size of the stored clip")
DESTINATION: Final = Attribute("destination", "string", "where the clip is, without query and user")
DURATION_CHECK: Final = Attribute("duration_check", "string", "how long the clip is, and was to be")
SOUND_CHECK: Final = Attribute("sound_check", "string", "whether it has sound, and was to have it")
PICTURES_CHECK: Final = Attribute("pictures_check", "string", "how many pictures can't be decoded, if any")
LANDED_BEFORE: Final = Attribute("landed_before", "boolean", "whether an earlier try has landed it")
SHOT_STATE: Final = Attribute("shot_state", "string", "`landed` or `failed`")
CLIPS: Final = Attribute("clips", "int", "takes of the storyboard")
LANDED: Final = Attribute("landed", "int", "takes that have landed")
FAILED: Final = Attribute("failed", "int", "takes that have failed")
MONEY: Final = Attribute("money", "string", "what an error means for the money, such as `unspent` or `spent`")
ERROR_TYPE: Final = Attribute("error.type", "string", "the class of the error; its text is not sent")

_ERROR: Final = (MONEY, ERROR_TYPE)

SUBMIT: Final = SpanKind(
    "submit",
    "the frames are read and delivered, the ledger is written, the order is sent or found again",
    (REQUEST_ID, MODEL, CONNECTION, SHOT, TAKE, ORDER_STATE, PRICE, EARLIER, *_ERROR),
)
WAIT: Final = SpanKind(
    "wait",
    "from the begin of the wait to the look that shows its end",
    (REQUEST_ID, MODEL, CONNECTION, SHOT, OUTCOME, STATUS, COST, QUEUE_SECONDS, *_ERROR),
    (("status", STATUS),),
)
LAND: Final = SpanKind(
    "land",
    "the clip is downloaded, checked and stored, its sidecar last",
    (
        *(REQUEST_ID, MODEL, CONNECTION, SHOT, BYTES, DESTINATION, LANDED_BEFORE),
        *(DURATION_CHECK, SOUND_CHECK, PICTURES_CHECK, COST, *_ERROR),
    ),
)
STORYBOARD: Final = SpanKind(
    "storyboard",
    "what one process does of a storyboard's task: one before each wait in the triggerer, one after it",
    (CONNECTION, CLIPS, LANDED, FAILED, *_ERROR),
)
SHOT_SPAN: Final = SpanKind(
    "shot",
    "one take of a storyboard, from the begin of its submission to its landing or failure",
    (REQUEST_ID, MODEL, SHOT, TAKE, SHOT_STATE, COST, *_ERROR),
)

SPANS: Final = (SUBMIT, WAIT, LAND, STORYBOARD, SHOT_SPAN)
