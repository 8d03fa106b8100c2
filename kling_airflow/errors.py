"""Every error of the package: one family, one class for each thing that a caller does differently.

::

    KlingError
    ├── InvalidArgument          a value breaks a limit: found before anything is sent
    ├── GMIError                 the queue's responses, and missing ones
    │   ├── Unauthorized         401, 403
    │   ├── InsufficientCredits  402
    │   ├── NotFound             404
    │   ├── Rejected             refused for good
    │   ├── WrongService         the response is not the request queue's
    │   ├── NotAccepted          refused for now: safe to send again
    │   ├── AmbiguousSubmission  the response to a submission was lost
    │   ├── Unreachable          no readable response to a call that changes nothing
    │   │   └── ResponseTooLarge
    │   ├── GenerationFailed
    │   ├── GenerationCancelled
    │   └── GenerationTimeout    the wait ended, the request did not
    ├── BudgetExceeded           a budget has no room for the clip: nothing was sent
    ├── UnresolvedSubmission     a lost submission was neither found nor ruled out
    ├── LedgerError              nothing may be sent
    │   ├── UnreadableRecord
    │   ├── Fenced               a newer try of the same task has written
    │   └── LedgerUnavailable
    ├── PollerCrashed            a defect of the shared poll
    └── MediaError
        ├── InvalidFrame
        ├── InvalidClip
        ├── DownloadFailed
        ├── DestinationTaken     a file stands there that a landing must not overwrite
        └── StorageFailed

Each text says what happened, the money, and what to do. The Airflow twins are in kling_airflow.exceptions.
"""

from __future__ import annotations

from copy import copy
from enum import StrEnum
from typing import Any, Self, TypedDict, Unpack

from kling_airflow.redaction import sentences, without_signatures


class Money(StrEnum):
    """Whether a clip may have been paid for, in the words of an error."""

    UNSPENT = "No money was spent."
    UNKNOWN = "A clip may have been paid for; this is not known yet."
    HELD = "The request is alive in the queue; its clip is paid for when it succeeds."
    NOT_BILLED = "GMI Cloud does not bill failed requests."
    CANCELLED = "It is not known whether GMI Cloud bills a cancelled request."
    SPENT = "The clip was generated and paid for."
    IN_LEDGER = "Nothing was sent now. The ledger says whether an earlier try has bought the clip."


class Known(TypedDict, total=False):
    """What every error can be told beside what happened; see :class:`KlingError`."""

    money: Money | None
    todo: str | None
    request_id: str | None


class KlingError(Exception):
    """The root of every error of this package.

    :param what: what happened, naming the field, the value and the limit where there is one; the values of
        parameters that sign an address, or carry a key, are left out.
    :param money: whether a clip may have been paid for.
    :param todo: what the reader does next.
    :param request_id: the request that the error is about, if it is known.
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
        self.what = sentences(without_signatures(what))
        self.money = self.default_money if money is None else money
        self.todo = self.default_todo if todo is None else todo
        self.request_id = request_id
        super().__init__(self.text())

    def text(self) -> str:
        """Return the whole text, without signatures."""
        return " ".join(self.lines().splitlines())

    def lines(self) -> str:
        """Return what happened, the money and what to do on a line each; indented lines stay lines."""
        parts = [sentences(self.what), sentences(self.money.value), *sentences(self.todo).split("\n    ")]
        what, money, *todo = (" ".join(part.splitlines()) for part in parts)
        return without_signatures("\n".join(filter(None, (what, money, "\n    ".join(todo)))))

    def with_money(self, money: Money, *, todo: str | None = None, request_id: str | None = None) -> Self:
        """Return the same error with another word about the money.

        :param todo: what the reader does next; None keeps what the error says.
        :param request_id: the request that the error is about; None keeps the one that is known.
        """
        about = request_id or self.request_id
        return self._twin(money=money, todo=self.todo if todo is None else todo, request_id=about)

    def named(self, name: str) -> Self:
        """Return the same error, its text beginning with the name of what it is about."""
        return self._twin(what=f"{name}: {self.what}")

    def _twin(self, **changes: Any) -> Self:
        twin = copy(self)
        vars(twin).update(changes)
        twin.args = (twin.text(),)
        return twin

    def about(self, request_id: str) -> Self:
        """Return the same error, about a request that is alive: its clip is at stake."""
        return self.with_money(Money.HELD, request_id=request_id)


class InvalidArgument(KlingError):
    """A value can't be used; this is found before anything is sent. A retry would meet the same."""

    default_todo = "Change the value and run the task again."


class GMIError(KlingError):
    """The root of the request queue's error responses, and of missing responses."""


class Unauthorized(GMIError):
    """401 or 403: the key is wrong, revoked, or of another organization."""

    default_todo = "Check the API key and the organization id in the connection (`airflow connections test`)."


class InsufficientCredits(GMIError):
    """402: the account has no credit left."""

    default_todo = "Add credit in the GMI Cloud console, then clear the task."


class NotFound(GMIError):
    """404: the queue has no such request or model for this key."""


class Rejected(GMIError):
    """The queue refused the payload for good; sending the same again changes nothing."""

    default_todo = "Change what the message names and run the task again."


class WrongService(GMIError):
    """The response is not the request queue's: 405, or an HTML page where JSON belongs."""

    default_todo = "Check the base URL (host) of the connection; the default is https://console.gmicloud.ai."


class _Postponed(GMIError):
    """An error that can carry the queue's word on when to ask again.

    :param retry_after: seconds that the queue asks to wait; None if the queue does not say.
    """

    def __init__(self, what: str, *, retry_after: float | None = None, **known: Unpack[Known]) -> None:
        self.retry_after = retry_after
        super().__init__(what, **known)


class NotAccepted(_Postponed):
    """A definite "not now": 429, 503 with the capacity text, or a failure before the request left."""

    default_todo = "It is safe to send again."


class AmbiguousSubmission(GMIError):
    """The response to a submission was lost or unreadable: the request may or may not exist."""

    default_money = Money.UNKNOWN
    default_todo = "Do not send again: look for the request in the queue's list first."


class Unreachable(_Postponed):
    """No readable response to a call that changes nothing, after the retries that are safe."""

    default_money = Money.HELD
    default_todo = "Nothing was changed by asking; ask again later."


class ResponseTooLarge(Unreachable):
    """The response to a call is larger than the client reads; asking for a smaller page may help."""


class GenerationFailed(GMIError):
    """The queue ended the request as failed, or as a success without a clip.

    :param retryable: whether the reason is a passing one (rate limit, capacity, download of a frame), so that
        another submission may succeed.
    """

    default_money = Money.NOT_BILLED

    def __init__(self, what: str, *, retryable: bool = False, **known: Unpack[Known]) -> None:
        self.retryable = retryable
        super().__init__(what, **known)


class GenerationCancelled(GMIError):
    """The request was cancelled in the queue."""

    default_money = Money.CANCELLED


class GenerationTimeout(GMIError):
    """The wait ended before the request did; the request is alive."""

    default_money = Money.HELD


class BudgetExceeded(KlingError):
    """A budget has no room for the clip; nothing was sent."""


class UnresolvedSubmission(KlingError):
    """A lost submission was neither found nor ruled out, or a submission can't be told from another."""

    default_money = Money.UNKNOWN


class LedgerError(KlingError):
    """The root of a ledger's errors: nothing may be sent."""

    default_money = Money.IN_LEDGER
    default_todo = "Run the task again: it looks in the ledger first."


class UnreadableRecord(LedgerError):
    """A record exists and can't be read. This is not the same as no record."""


class Fenced(LedgerError):
    """Another try of this task has written to the ledger meanwhile: this try must send nothing."""


class LedgerUnavailable(LedgerError):
    """The ledger's store can't be reached, or refuses."""


class PollerCrashed(KlingError):
    """The shared poll broke down: a defect of this package, not an error of the queue."""

    default_money = Money.HELD
    default_todo = "Run the task again: it waits for the same request and buys nothing."


class MediaError(KlingError):
    """The root of errors with a frame, a clip, their download, or the store they are written to."""


class InvalidFrame(MediaError):
    """The image can't be made, or isn't, a frame that the queue takes. Trying again changes nothing."""

    default_todo = "Use another image."


class InvalidClip(MediaError):
    """The clip doesn't open, has no video, or isn't what was asked for."""

    default_money = Money.SPENT


class DownloadFailed(MediaError):
    """The bytes did not arrive whole.

    :param retryable: False if another try can't help: over the size limit, a scheme that isn't http(s).
    :param gone: True if the address is dead (401, 403, 404, 410, refused, no such host): a new one may work.
    """

    def __init__(
        self, what: str, *, retryable: bool = True, gone: bool = False, **known: Unpack[Known]
    ) -> None:
        self.retryable = retryable
        self.gone = gone
        super().__init__(what, **known)


class DestinationTaken(MediaError):
    """Another request's clip, or a file that no landing wrote, stands where a clip would go."""

    default_money = Money.SPENT


class StorageFailed(MediaError):
    """The store did not do what it was asked: no permission, no response, a wrong size. A retry may help."""
