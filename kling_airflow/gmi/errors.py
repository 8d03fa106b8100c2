"""One class per thing a caller does differently.

Every text has three parts: what happened, whether money may have been spent, what to do.
"""

from __future__ import annotations

from copy import copy
from enum import StrEnum
from typing import Self


class Money(StrEnum):
    """Whether a clip may have been paid for, in the words of an error."""

    UNSPENT = "No money was spent."
    UNKNOWN = "A clip may have been paid for: nobody knows yet."
    HELD = "The clip is paid for once it succeeds; the request is alive in the queue."
    NOT_BILLED = "GMI Cloud does not bill failed requests."
    CANCELLED = "Whether GMI Cloud bills a cancelled request is not known."
    SPENT = "The clip was generated and paid for."


class GMIError(Exception):
    """The root of everything the queue's client raises.

    :param what: what happened, naming the field, value and limit where there is one.
    :param money: whether money may have been spent.
    :param todo: what the reader does next.
    :param request_id: the request this is about, where it is known.
    """

    default_money: Money = Money.UNSPENT
    default_todo: str = ""

    def __init__(
        self,
        what: str,
        *,
        money: Money | None = None,
        todo: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.what = what
        self.money = self.default_money if money is None else money
        self.todo = self.default_todo if todo is None else todo
        self.request_id = request_id
        super().__init__(" ".join(part for part in (what, self.money.value, self.todo) if part))

    def about(self, request_id: str) -> Self:
        """Return the same error, about a request that is alive: its clip is at stake."""
        twin = copy(self)
        twin.money, twin.request_id = Money.HELD, request_id
        twin.args = (" ".join(part for part in (twin.what, twin.money.value, twin.todo) if part),)
        return twin


class InvalidPayload(GMIError):
    """The input breaks a limit; found before anything was sent."""

    default_todo = "Change the value and run the task again."


class Unauthorized(GMIError):
    """401 or 403: the key is wrong, revoked, or of another organization."""

    default_todo = "Check the API key and the organization id in the connection (`airflow connections test`)."


class InsufficientCredits(GMIError):
    """402: the account has no credit left."""

    default_todo = "Add credit in the GMI Cloud console, then clear the task."


class NotFound(GMIError):
    """404: no such request or model for this key."""

    default_money = Money.UNSPENT


class Rejected(GMIError):
    """The queue refused the payload for good; sending the same again changes nothing."""

    default_todo = "Change what the message names and run the task again."


class WrongService(GMIError):
    """Whatever answered is not the request queue: 405, or an HTML page where JSON belongs."""

    default_todo = "Check the base URL (host) of the connection; the default is https://console.gmicloud.ai."


class NotAccepted(GMIError):
    """A definite "not now": 429, 503 with the capacity text, or a failure before the request left.

    :param retry_after: seconds the queue asks to wait; None where it does not say.
    """

    default_todo = "It is safe to send again."

    def __init__(
        self,
        what: str,
        *,
        retry_after: float | None = None,
        money: Money | None = None,
        todo: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.retry_after = retry_after
        super().__init__(what, money=money, todo=todo, request_id=request_id)


class AmbiguousSubmission(GMIError):
    """The answer to a POST was lost or unreadable; the request may or may not exist."""

    default_money = Money.UNKNOWN
    default_todo = "Do not send again: look for the request in the queue's list first."


class UnresolvedSubmission(GMIError):
    """A lost submission could be neither found nor ruled out."""

    default_money = Money.UNKNOWN


class Unreachable(GMIError):
    """No readable answer to a GET, after the retries that are safe.

    :param retry_after: seconds the queue asks to wait; None where it does not say.
    """

    default_money = Money.HELD
    default_todo = "Nothing was changed by asking; ask again later."

    def __init__(
        self,
        what: str,
        *,
        retry_after: float | None = None,
        money: Money | None = None,
        todo: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.retry_after = retry_after
        super().__init__(what, money=money, todo=todo, request_id=request_id)


class AnswerTooLarge(Unreachable):
    """The answer to a GET is larger than is read; asking for a smaller page may help."""


class GenerationFailed(GMIError):
    """The queue ended the request as failed, or as a success without a clip.

    :param retryable: whether the reason is a passing one (rate limit, capacity, our own upload),
        so that another submission may well succeed.
    """

    default_money = Money.NOT_BILLED

    def __init__(
        self,
        what: str,
        *,
        retryable: bool = False,
        money: Money | None = None,
        todo: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.retryable = retryable
        super().__init__(what, money=money, todo=todo, request_id=request_id)


class GenerationCancelled(GMIError):
    """The request was cancelled in the queue."""

    default_money = Money.CANCELLED


class GenerationTimeout(GMIError):
    """The wait ended before the request did; the request is alive."""

    default_money = Money.HELD


class PollerCrashed(Exception):
    """The shared poll broke down: a defect of this package, not an answer of the queue."""
