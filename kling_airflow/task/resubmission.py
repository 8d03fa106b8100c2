"""What follows when a wait ends without a clip: another submission, a cancelled request, or an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kling_airflow.errors import (
    GenerationFailed,
    GenerationTimeout,
    KlingError,
    Money,
    Unreachable,
    UnresolvedSubmission,
)

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import Log
    from kling_airflow.task.options import GenerationOptions


def raise_unless_resubmitted(
    error: KlingError,
    earlier: int,
    options: GenerationOptions,
    client: Callable[[], GMIClient],
    log: Log,
) -> None:
    """Return if the order is to be submitted again; else raise, after cancelling what timed out if asked to.

    :param error: what ended the wait.
    :param earlier: how many requests of the order had failed before this one.
    :param client: returns the queue's client.
    :raises KlingError: the error that ends the task.
    """
    if isinstance(error, GenerationTimeout) and options.cancel_on_timeout and error.request_id:
        raise cancel_after_timeout(error, error.request_id, client()) from None
    if not may_resubmit(error, earlier, options):
        raise error if options.durable else without_record(error) from None
    log.warning(
        "%s Submitting anew in %.0f s (%d of %d).",
        error.what,
        options.resubmit_delay,
        earlier + 1,
        options.max_resubmissions,
    )


def may_resubmit(error: KlingError, earlier: int, options: GenerationOptions) -> bool:
    """Return whether a generation that failed is submitted again. It must not have been billed.

    :param earlier: how many requests of the order had failed before this one.
    :param options: says which failures (``resubmit_on``) and how often (``max_resubmissions``).
    """
    if not isinstance(error, GenerationFailed) or error.money is not Money.NOT_BILLED:
        return False
    wanted = options.resubmit_on == "any" or (options.resubmit_on == "passing" and error.retryable)
    return wanted and earlier < options.max_resubmissions


def cancel_after_timeout(error: GenerationTimeout, request_id: str, client: GMIClient) -> GenerationTimeout:
    """Cancel the request of a wait that timed out, and return the error to raise."""
    if client.cancel(request_id):
        return GenerationTimeout(
            error.what,
            money=Money.CANCELLED,
            todo="The request was cancelled, as `cancel_on_timeout` asks; the next try submits anew.",
            request_id=request_id,
        )
    return GenerationTimeout(
        error.what,
        todo="Cancelling the request failed (the call is undocumented); the next try waits for it again.",
        request_id=request_id,
    )


def without_record(error: KlingError) -> KlingError:
    """Return what an error means under ``durable=False``: a retry would buy a live request's clip again."""
    if not isinstance(error, GenerationTimeout | Unreachable):
        return error
    return UnresolvedSubmission(
        error.what,
        money=Money.HELD,
        todo="`durable=False` keeps no record: before you run the task again, set `adopt_request_id` to"
        f" {error.request_id}, or the clip is bought twice.",
        request_id=error.request_id,
    )
