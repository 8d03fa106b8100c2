"""A task that asks for something else than before: what it bought stays, what it lost is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.gmi.errors import InvalidPayload, UnresolvedSubmission
from kling_airflow.submission.record import State

if TYPE_CHECKING:
    from kling_airflow.submission.order import Log, Order
    from kling_airflow.submission.record import SubmissionRecord
    from kling_airflow.submission.submit import Submitter


def refuse_while_in_doubt(submitter: Submitter, order: Order, in_doubt: str | None) -> None:
    """Refuse an order that became another while its own answer was looked for, within one try.

    Templates are rendered anew after each pause. One that tells the time, or reads a variable, would order
    a second clip while nobody looks for the first any more.

    :param in_doubt: the fingerprint of what this try asked for before the pause; None without a pause.
    :raises UnresolvedSubmission: if that was another, and nobody knows yet whether the queue has it.
    """
    if in_doubt is None or in_doubt == order.fingerprint:
        return
    lost = [
        record
        for record in submitter.others(order)
        if record.fingerprint == in_doubt and record.state is State.SENDING
    ]
    if lost:
        raise UnresolvedSubmission(
            "While the lost answer to a submission was looked for, the task began to ask for something else:"
            f" its prompt, a frame or an option is rendered differently now (marker {lost[0].marker})."
            " The new order was not sent.",
            todo="Make the templates give the same in every try, put the old values back, and clear the task:"
            " it finds the lost request. Cleared as it is, it orders the new clip and leaves the old one.",
        )


def heed_changed_request(submitter: Submitter, order: Order, on_changed_request: str, log: Log) -> None:
    """Refuse what differs from what this task instance asked for before, or say that it is one more clip.

    :param on_changed_request: ``fail`` or ``submit``.
    :raises InvalidPayload: under ``fail``.
    """
    if on_changed_request == "fail":
        if others := submitter.others(order):
            raise InvalidPayload(
                f"`on_changed_request` is fail, and this task has asked for something else before:"
                f" {_ids(others)}.",
                todo="Put the prompt, frames and options back to get that clip, or allow `submit`.",
            )
        return
    known = submitter.remembered()
    mine = [record for record in known if _same(record, order)]
    others = [record for record in known if record.state is not State.NOT_SENT and not _same(record, order)]
    if others and not mine:
        log.warning(
            "This task has asked for something else before (%s), and asks for another clip now. It is bought"
            ' besides; `on_changed_request="fail"` would refuse it.',
            _ids(others),
        )


def _same(record: SubmissionRecord, order: Order) -> bool:
    return (record.fingerprint, record.take) == (order.fingerprint, order.take)


def _ids(records: list[SubmissionRecord]) -> str:
    return ", ".join(record.request_id or "one whose answer was lost" for record in records)
