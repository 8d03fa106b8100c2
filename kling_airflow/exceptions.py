"""The border to Airflow: each error of the package as an Airflow exception of the same name.

An error is an ``AirflowFailException`` only where no retry can help; a retry policy never sees those.
Everything else is an ``AirflowException``, which the task's ``retries`` and retry policy act upon.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout

from kling_airflow.gmi import errors as gmi
from kling_airflow.media import errors as media


class InvalidPayload(gmi.InvalidPayload, AirflowFailException):
    """The input breaks a limit; nothing was sent."""


class Unauthorized(gmi.Unauthorized, AirflowFailException):
    """The key is wrong, revoked, or of another organization."""


class InsufficientCredits(gmi.InsufficientCredits, AirflowFailException):
    """The account has no credit left."""


class NotFound(gmi.NotFound, AirflowFailException):
    """No such request or model for this key."""


class Rejected(gmi.Rejected, AirflowFailException):
    """The queue refused the payload for good."""


class WrongService(gmi.WrongService, AirflowFailException):
    """Whatever answered is not the request queue."""


class NotAccepted(gmi.NotAccepted, AirflowException):
    """The queue did not take the request now; it is safe to send again."""


class AmbiguousSubmission(gmi.AmbiguousSubmission, AirflowException):
    """The answer to the submission was lost; a retry looks for the request before it sends another."""


class UnresolvedSubmission(gmi.UnresolvedSubmission, AirflowFailException):
    """A lost submission could be neither found nor ruled out; a person decides."""


class Unreachable(gmi.Unreachable, AirflowException):
    """The queue gave no readable answer; a retry asks again."""


class AnswerTooLarge(gmi.AnswerTooLarge, AirflowException):
    """An answer of the queue is larger than is read."""


class GenerationFailed(gmi.GenerationFailed, AirflowFailException):
    """The generation failed for a reason that another try would meet again."""


class GenerationFailedForNow(gmi.GenerationFailed, AirflowException):
    """The generation failed for a passing reason; another submission may succeed."""


class GenerationCancelled(gmi.GenerationCancelled, AirflowFailException):
    """The request was cancelled in the queue."""


class GenerationTimeout(gmi.GenerationTimeout, AirflowException):
    """The wait ended before the request did; a retry waits for the same request again."""


class RequestSensorTimeout(gmi.GenerationTimeout, AirflowSensorTimeout):
    """The sensor's wait ended before the request did."""


class InvalidArgument(media.InvalidArgument, AirflowFailException):
    """A parameter can't be used as it stands."""


class InvalidFrame(media.InvalidFrame, AirflowFailException):
    """The image can't be made a frame that the queue takes."""


class InvalidClip(media.InvalidClip, AirflowException):
    """The clip that was downloaded isn't what was asked for."""


class DownloadFailed(media.DownloadFailed, AirflowException):
    """The bytes didn't arrive whole; a retry downloads again."""


class DownloadRefused(media.DownloadFailed, AirflowFailException):
    """A download that no retry can help: over the size limit, or not http(s)."""


class StorageFailed(media.StorageFailed, AirflowException):
    """The store did not do what it was asked; a retry asks again."""


_BORDER: dict[type[Exception], type[Exception]] = {
    border.__mro__[1]: border
    for border in (
        InvalidPayload,
        Unauthorized,
        InsufficientCredits,
        NotFound,
        Rejected,
        WrongService,
        NotAccepted,
        AmbiguousSubmission,
        UnresolvedSubmission,
        Unreachable,
        AnswerTooLarge,
        GenerationFailed,
        GenerationCancelled,
        GenerationTimeout,
        InvalidArgument,
        InvalidFrame,
        InvalidClip,
        DownloadFailed,
        StorageFailed,
    )
}


def as_airflow(error: Exception) -> Exception:
    """Return the Airflow exception of the same name, with the same text and attributes.

    :param error: any exception; one that has no counterpart comes back as it is.
    """
    border = next((_BORDER[kind] for kind in type(error).__mro__ if kind in _BORDER), None)
    if isinstance(error, gmi.GenerationFailed) and error.retryable:
        border = GenerationFailedForNow
    if isinstance(error, media.DownloadFailed) and not error.retryable:
        border = DownloadRefused
    if border is None or isinstance(error, AirflowException):
        return error
    twin = border.__new__(border)
    twin.__dict__.update(error.__dict__)
    twin.args = error.args
    return twin


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn every error of the package that leaves the block into its Airflow twin."""
    try:
        yield
    except (gmi.GMIError, media.MediaError) as error:
        twin = as_airflow(error)
        if twin is error:
            raise
        raise twin from error.__cause__
