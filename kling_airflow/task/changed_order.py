"""A task that asks for something else than before: what it bought stays, what it lost is looked for."""

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


def refuse_while_in_doubt(submitter: Submitter, order: Order, in_doubt: Sequence[Any] | None) -> None:
    """Refuse an order that became another while its own answer was looked for, within one try.

    Templates are rendered anew after each pause. One that tells the time, or reads a variable, would order
    a second clip while nobody looks for the first any more.

    :param in_doubt: fingerprint and take of what this try asked for before the pause; None without a pause.
    :raises UnresolvedSubmission: if that was another, and nobody knows yet whether the queue has it; or if
        its record, which was there before the pause, is gone.
    """
    if in_doubt is None:
        return
    fingerprint, take = in_doubt
    record = submitter.book.recall(fingerprint, take)
    if record is None:
        raise UnresolvedSubmission(
            "The record of what this task asked for before it paused is gone from the ledger. Nothing was"
            " sent now.",
            todo="Look for the request in the GMI Cloud console. Is it there: set `adopt_request_id` to its"
            " id. Is it surely not: clear the task. And see that `ledger` is the same in every try.",
        )
    if _same(record, order) or not record.in_doubt:
        return
    marker = "" if record.marker is None else f" (marker {record.marker})"
    raise UnresolvedSubmission(
        "While the lost answer to a submission was looked for, the task began to ask for something else: its"
        " prompt, a frame, an option or `take` is rendered differently now. The lost one left at"
        f" {clock(record.sent_at)}{marker}. The new order was not sent.",
        todo="Make the templates give the same in every try, put the old values back, and clear the task: it"
        " finds the lost request. Or look for it in the GMI Cloud console, and set `adopt_request_id` to its"
        " id. Cleared as it is, the task orders the new clip and leaves the lost one.",
    )


def heed_changed_request(
    submitter: Submitter, order: Order, on_changed_request: str, log: Log | None
) -> None:
    """Refuse what differs from what this task instance asked for before, or say that it is one more clip.

    What has failed does not count: it isn't billed, and another prompt is what its error asks for.

    :param on_changed_request: ``fail`` or ``submit``.
    :param log: is told; None where a request is adopted, and nothing is bought.
    :raises InvalidArgument: under ``fail``.
    :raises Unreachable: under ``fail``, if it can't be asked whether the other has failed.
    """
    if log is None:
        return
    if on_changed_request == "fail":
        if others := submitter.not_failed(submitter.others(order)):
            raise InvalidArgument(
                f"`on_changed_request` is fail, and this task has asked for something else before:"
                f" {_ids(others)}.",
                money=Money.UNKNOWN,
                todo="Put the prompt, frames and options back to get that clip, or allow `submit`.",
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
            "This task has asked for something else before (%s). It asks for another clip now, and that is"
            ' bought besides; `on_changed_request="fail"` would refuse it.',
            _ids(others),
        )


def _same(record: SubmissionRecord, order: Order) -> bool:
    return (record.fingerprint, record.take) == (order.fingerprint, order.take)


def _ids(records: list[SubmissionRecord]) -> str:
    return ", ".join(record.request_id or "one whose answer was lost" for record in records)
