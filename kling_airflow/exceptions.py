"""The errors as Airflow sees them: each error of the package as an Airflow exception of the same name.

An error is an ``AirflowFailException`` only if no retry can help; a retry policy never sees those.
Everything else is an ``AirflowException``, which the task's ``retries`` and retry policy act upon.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kling_airflow import errors
from kling_airflow.airflow_compat import AirflowException, AirflowFailException, AirflowSensorTimeout

if TYPE_CHECKING:
    from kling_airflow.submission.order import Log


class KlingError(errors.KlingError, AirflowException):
    """Any error of this package."""


class InvalidArgument(errors.InvalidArgument, AirflowFailException):
    """A value can't be used; nothing was sent."""


class GMIError(errors.GMIError, AirflowException):
    """Any error of the request queue."""


class Unauthorized(errors.Unauthorized, AirflowFailException):
    """The key is wrong, revoked, or of another organization."""


class InsufficientCredits(errors.InsufficientCredits, AirflowFailException):
    """The account has no credit left."""


class NotFound(errors.NotFound, AirflowFailException):
    """The queue has no such request or model for this key."""


class Rejected(errors.Rejected, AirflowFailException):
    """The queue refused the payload for good."""


class WrongService(errors.WrongService, AirflowFailException):
    """The response is not the request queue's."""


class NotAccepted(errors.NotAccepted, AirflowException):
    """The queue did not take the request now; it is safe to send again."""


class AmbiguousSubmission(errors.AmbiguousSubmission, AirflowException):
    """The response to the submission was lost; a retry looks for the request before it sends again."""


class Unreachable(errors.Unreachable, AirflowException):
    """The queue gave no readable response; a retry asks again."""


class ResponseTooLarge(errors.ResponseTooLarge, AirflowException):
    """A response of the queue is larger than the client reads."""


class GenerationFailed(errors.GenerationFailed, AirflowFailException):
    """The generation failed for a reason that another try would meet again."""


class GenerationFailedForNow(errors.GenerationFailed, AirflowException):
    """The generation failed for a passing reason; another submission may succeed."""


class GenerationCancelled(errors.GenerationCancelled, AirflowFailException):
    """The request was cancelled in the queue."""


class GenerationTimeout(errors.GenerationTimeout, AirflowException):
    """The wait ended before the request did; a retry waits for the same request again."""


class RequestSensorTimeout(errors.GenerationTimeout, AirflowSensorTimeout):
    """The sensor's wait ended before the request did."""


class BudgetExceeded(errors.BudgetExceeded, AirflowFailException):
    """A budget has no room for the clip."""


class UnresolvedSubmission(errors.UnresolvedSubmission, AirflowFailException):
    """A lost submission was neither found nor ruled out; a person decides."""


class LedgerError(errors.LedgerError, AirflowException):
    """Any error of the submission ledger; nothing was sent."""


class UnreadableRecord(errors.UnreadableRecord, AirflowException):
    """A record of the ledger can't be read; a retry reads it again."""


class Fenced(errors.Fenced, AirflowException):
    """A newer try of the same task has written to the ledger; this try sends nothing."""


class LedgerUnavailable(errors.LedgerUnavailable, AirflowException):
    """The ledger's store can't be reached; a retry asks again."""


class PollerCrashed(errors.PollerCrashed, AirflowException):
    """The shared poll broke down; a retry waits for the same request again."""


class MediaError(errors.MediaError, AirflowException):
    """Any error of a frame, a clip, or their download."""


class InvalidFrame(errors.InvalidFrame, AirflowFailException):
    """The image can't be made a frame that the queue takes."""


class InvalidClip(errors.InvalidClip, AirflowException):
    """The clip that was downloaded isn't what was asked for."""


class DownloadFailed(errors.DownloadFailed, AirflowException):
    """The bytes did not arrive whole; a retry downloads again."""


class DownloadRefused(errors.DownloadFailed, AirflowFailException):
    """A download that no retry can help: over the size limit, or not http(s)."""


class DestinationTaken(errors.DestinationTaken, AirflowFailException):
    """A file that no landing wrote, or another landing, stands where a clip would go."""


class StorageFailed(errors.StorageFailed, AirflowException):
    """The store did not do what it was asked; a retry asks again."""


_TWINS: dict[type[errors.KlingError], type[errors.KlingError]] = {
    twin.__mro__[1]: twin
    for twin in (
        KlingError,
        InvalidArgument,
        GMIError,
        Unauthorized,
        InsufficientCredits,
        NotFound,
        Rejected,
        WrongService,
        NotAccepted,
        AmbiguousSubmission,
        Unreachable,
        ResponseTooLarge,
        GenerationFailed,
        GenerationCancelled,
        GenerationTimeout,
        BudgetExceeded,
        UnresolvedSubmission,
        LedgerError,
        UnreadableRecord,
        Fenced,
        LedgerUnavailable,
        PollerCrashed,
        MediaError,
        InvalidFrame,
        InvalidClip,
        DownloadFailed,
        DestinationTaken,
        StorageFailed,
    )
}


def as_airflow(error: Exception) -> Exception:
    """Return the Airflow exception of the same name, with the same text and attributes.

    :param error: any exception; one that has no twin comes back as it is.
    """
    if not isinstance(error, errors.KlingError) or isinstance(error, AirflowException):
        return error
    twin = next(_TWINS[kind] for kind in type(error).__mro__ if kind in _TWINS)
    if isinstance(error, errors.GenerationFailed) and error.retryable:
        twin = GenerationFailedForNow
    if isinstance(error, errors.DownloadFailed) and not error.retryable:
        twin = DownloadRefused
    made = twin.__new__(twin)
    made.__dict__.update(error.__dict__)
    made.args = error.args
    return made


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn every error of the package that leaves the block into its Airflow twin."""
    try:
        yield
    except errors.KlingError as error:
        twin = as_airflow(error)
        if twin is error:
            raise
        # An error that no retry mends is the reader's to mend: its text says all, and the traceback of a
        # library behind it would hide it.
        raise twin from None if isinstance(twin, AirflowFailException) else error.__cause__


@contextmanager
def task_errors(log: Log) -> Iterator[None]:
    """Turn every error of the package into its Airflow twin, and say it in the task's log.

    Airflow logs the exception as well, as one long line with a traceback, which no task can prevent
    (``task_runner.run``, Airflow 3.3.2: ``log.exception``). The lines here stand before it.
    """
    with saying(log), airflow_errors():
        yield


@contextmanager
def saying(log: Log) -> Iterator[None]:
    """Say an error that leaves the block in the task's log, once: what, the money, what to do."""
    try:
        yield
    except errors.KlingError as error:
        if not vars(error).get("_said"):
            vars(error)["_said"] = True
            log.error("%s", error.lines())  # noqa: TRY400 -- the traceback follows, by Airflow
        raise
