"""What a bad end of a wait leads to: another submission, a cancelled request, or neither."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kling_airflow.errors import (
    GenerationFailed,
    GenerationTimeout,
    InvalidArgument,
    KlingError,
    MediaError,
    Money,
    Unreachable,
    UnresolvedSubmission,
)

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.submit import Submitter


def is_worth_another(error: KlingError, earlier: int, *, on: str, most: int) -> bool:
    """Return whether a generation that ended badly is bought once more. It must have cost nothing.

    :param earlier: how many requests of the order had failed before this one.
    :param on: ``passing``, ``any`` or ``never``.
    :param most: how often, at most.
    """
    if not isinstance(error, GenerationFailed) or error.money is not Money.NOT_BILLED:
        return False
    return (on == "any" or (on == "passing" and error.retryable)) and earlier < most


def cancelled(error: GenerationTimeout, request_id: str, client: GMIClient) -> GenerationTimeout:
    """Cancel the request of a wait that timed out, and return the error that says so."""
    if client.cancel(request_id):
        return GenerationTimeout(
            error.what,
            money=Money.CANCELLED,
            todo="It was cancelled, as `cancel_on_timeout` asks; the next try submits anew.",
            request_id=request_id,
        )
    return GenerationTimeout(
        error.what,
        todo="Cancelling it failed (the call is undocumented); the next try waits for it again.",
        request_id=request_id,
    )


def forgotten(error: KlingError) -> KlingError:
    """Return what a wait that gave up means under ``durable=False``: a retry would buy the clip again."""
    if not isinstance(error, GenerationTimeout | Unreachable):
        return error
    return UnresolvedSubmission(
        error.what,
        money=Money.HELD,
        todo="`durable=False` remembers nothing: before you run the task again, set `adopt_request_id` to"
        f" {error.request_id}, or the clip is bought twice.",
        request_id=error.request_id,
    )


@contextmanager
def reminding(submitter: Submitter) -> Iterator[None]:
    """Say, when an order can't be made out, that this task instance has bought before.

    A frame that has gone, or a wrong option, must not read as "no money was spent" on a retry.
    """
    try:
        yield
    except (InvalidArgument, MediaError) as error:
        live = submitter.bought_before()
        if not live:
            raise
        ids = ", ".join(record.request_id or "one whose answer was lost" for record in live)
        what = error.what
        raise UnresolvedSubmission(
            f"{what} And this task has submitted before: {ids}.",
            money=Money.HELD,
            todo="Put right what the message names, then clear the task: it finds that request again.",
            request_id=live[-1].request_id,
        ) from error
