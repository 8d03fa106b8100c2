"""A task instance that asks for something else than before: in another try, or after a pause in one try."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidArgument, Money, Unreachable, UnresolvedSubmission
from kling_airflow.submission.record import clock

if TYPE_CHECKING:
    from kling_airflow.submission.order import Log, Order
    from kling_airflow.submission.record import SubmissionRecord
    from kling_airflow.submission.submit import Submitter


def check_order_in_doubt(submitter: Submitter, order: Order, in_doubt: Sequence[Any] | None) -> None:
    """Refuse an order that differs from the one that this try deferred on, if the queue may have that one.

    Templates are rendered anew after each pause. A template that tells the time, or reads a variable, would
    order a second clip, and the lost request of the first would no longer be looked for.

    :param in_doubt: fingerprint and take of what this try asked for before the pause; None without a pause.
    :raises UnresolvedSubmission: if the order is another, and the queue may have the earlier one; or if the
        record of the earlier one, which was there before the pause, is gone.
    """
    if in_doubt is None:
        return
    fingerprint, take = in_doubt
    record = submitter.book.recall(fingerprint, take)
    if record is None:
        raise UnresolvedSubmission(
            "The record of what this task asked for before it paused is gone from the ledger. Nothing was"
            " sent now.",
            todo="Look for the request in the GMI Cloud console. If the request exists, set"
            " `adopt_request_id` to its id. If you are certain that it does not, clear the task. And make"
            " `ledger` the same in every try.",
        )
    if _same(record, order) or not record.in_doubt:
        return
    marker = "" if record.marker is None else f" (marker {record.marker})"
    raise UnresolvedSubmission(
        "While the task looked for a lost request, it began to ask for something else: its prompt, a frame,"
        " an option or `take` is rendered differently now. The lost request was sent at"
        f" {clock(record.sent_at)}{marker}. The new order was not sent.",
        todo="Make the templates give the same in every try, restore the old values, and clear the task: it"
        " finds the lost request. Or look for the request in the GMI Cloud console, and set"
        " `adopt_request_id` to its id. If you clear the task without a change, it buys the new"
        " clip besides.",
    )


def check_changed_order(submitter: Submitter, order: Order, on_changed_request: str, log: Log) -> None:
    """Refuse an order that differs from what this task instance asked for before, or log that it is bought.

    A failed request does not count: it isn't billed, and another prompt is what its error asks for.

    :param on_changed_request: ``fail`` or ``submit``.
    :raises InvalidArgument: under ``fail``.
    :raises Unreachable: under ``fail``, if the queue can't be asked whether the other request has failed.
    """
    if on_changed_request == "fail":
        if others := submitter.not_failed(submitter.others(order)):
            raise InvalidArgument(
                f"`on_changed_request` is fail, and this task has asked for something else before:"
                f" {_ids(others)}.",
                money=Money.UNKNOWN,
                todo="Restore the prompt, frames and options to get that clip, or allow `submit`.",
            )
        return
    known = submitter.remembered()
    if any(_same(record, order) for record in known):
        return
    others = [record for record in known if record.may_have_bought]
    with suppress(Unreachable):
        others = submitter.not_failed(others)
    if others:
        log.warning(
            "This task has asked for something else before (%s). It asks for another clip now, and buys"
            ' that clip besides; `on_changed_request="fail"` would refuse it.',
            _ids(others),
        )


def _same(record: SubmissionRecord, order: Order) -> bool:
    return (record.fingerprint, record.take) == (order.fingerprint, order.take)


def _ids(records: list[SubmissionRecord]) -> str:
    return ", ".join(record.request_id or "a request whose id was lost" for record in records)
