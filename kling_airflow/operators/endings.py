"""What a bad end of a wait leads to: another submission, a cancelled request, or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.gmi.errors import GenerationFailed, GenerationTimeout, GMIError, Money

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient


def is_worth_another(error: GMIError, earlier: int, *, on: str, most: int) -> bool:
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
