"""What happens if a task instance asks for something else than it did before."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from kling_airflow.errors import InvalidArgument, Money, Unreachable, UnresolvedSubmission
from kling_airflow.submission.ledger_access import LedgerAccess, new_record
from kling_airflow.submission.order import Log, OnChanged, Order, Submitted
from kling_airflow.submission.record import SubmissionRecord, clock
from kling_airflow.submission.recover import Recovery


def refuse_while_in_doubt(
    ledger_access: LedgerAccess, order: Order, in_doubt: tuple[str, int] | None
) -> None:
    """Refuse an order that became another one while its own lost request was looked for, within one try.

    Templates are rendered anew after each pause. A template that reads the clock, or a variable, would order
    a second clip, and no task would look for the first one any more.

    :param in_doubt: (fingerprint, take) of the order before the pause; None without a pause.
    :raises UnresolvedSubmission: if that was another order, and it is not known whether the queue has it; or
        if its record, which was there before the pause, is gone.
    """
    if in_doubt is None:
        return
    record = ledger_access.recall(*in_doubt)
    if record is None:
        raise UnresolvedSubmission(
            "The record of what this task asked for before it paused is gone from the ledger. Nothing was"
            " sent now.",
            todo="Look for the request in the GMI Cloud console. If it exists, set `adopt_request_id` to its"
            " id. If you are certain that it does not, clear the task. And check that `ledger` is the same"
            " in every try.",
        )
    if record.is_of(order.fingerprint, order.take) or not record.in_doubt:
        return
    raise UnresolvedSubmission(
        "While the lost answer to a submission was looked for, the task began to ask for something else: its"
        " prompt, a frame, an option or `take` is rendered differently now. The lost submission left at"
        f" {clock(record.sent_at)}{_marker(record)}. The new order was not sent.",
        todo="Make the templates give the same in every try, put the old values back, and clear the task: it"
        " finds the lost request. Or look for it in the GMI Cloud console, and set `adopt_request_id` to its"
        " id. If you clear the task as it is, it orders the new clip and no longer looks for the lost one.",
    )


class ChangedOrder:
    """Applies ``on_changed_request`` to an order.

    What has failed does not count: it isn't billed, and its error asks for another prompt.

    :param ledger_access: the ledger.
    :param recovery: asks the queue about earlier requests.
    :param log: gets a warning if a clip is bought besides.
    """

    def __init__(self, ledger_access: LedgerAccess, recovery: Recovery, log: Log) -> None:
        self.ledger_access = ledger_access
        self.recovery = recovery
        self.log = log

    def apply(self, order: Order, on_changed: OnChanged) -> Submitted | None:
        """Return the request of another order that is reused; None if the order is to be submitted.

        Of several other orders ``reuse`` takes the newest, which the last try that a user asked for bought.

        :raises InvalidArgument: under ``fail``, if there is another order.
        :raises UnresolvedSubmission: under ``reuse``, if the answer to that order's submission was lost.
        :raises Unreachable: under ``fail`` and ``reuse``, if the queue can't be asked whether it has failed.
        """
        match on_changed:
            case OnChanged.SUBMIT:
                self._submit_besides(order)
            case OnChanged.FAIL:
                self._refuse(order)
            case OnChanged.REUSE:
                return self._reuse(order)
        return None

    def _submit_besides(self, order: Order) -> None:
        try:
            records = self.ledger_access.ledger.records()
        except Exception:
            return  # the order's own record decides whether anything is sent
        if any(record.is_of(order.fingerprint, order.take) for record in records):
            return
        others = [record for record in records if record.may_have_bought]
        with suppress(Unreachable):
            others = self.recovery.not_failed(others)
        if others:
            # A retry of this try reuses no other request: the record shows that this order was allowed.
            self.ledger_access.write(new_record(order))
            self.log.warning(
                "This task has asked for something else before (%s). It asks for another clip now, and that"
                ' is bought besides; `on_changed_request="fail"` would refuse it.',
                _ids(others),
            )

    def _refuse(self, order: Order) -> None:
        if others := self.recovery.not_failed(self.ledger_access.others(order)):
            raise InvalidArgument(
                f"`on_changed_request` is fail, and this task has asked for something else before:"
                f" {_ids(others)}.",
                money=Money.UNKNOWN,
                todo="Put the prompt, frames and options back to get that clip, or allow `submit`.",
            )

    def _reuse(self, order: Order) -> Submitted | None:
        if self.ledger_access.recall(order.fingerprint, order.take) is not None:
            return None
        others = self.recovery.not_failed(self.ledger_access.others(order))
        if not others:
            return None
        other = max(others, key=lambda record: record.sent_at or 0.0)
        if other.request_id is None:
            raise UnresolvedSubmission(
                "`on_changed_request` is reuse, and the answer to this task's other submission was lost. It"
                f" left at {clock(other.sent_at)}{_marker(other)}. Nothing was sent now.",
                todo="Put the prompt, frames and options back and clear the task: it finds the lost request.",
            )
        self.log.warning(
            "The task asks for something else than before. Request %s is used, as"
            " `on_changed_request` says: nothing is bought.%s",
            other.request_id,
            "" if len(others) == 1 else f" It is the newest of this task's requests: {_ids(others)}.",
        )
        return self.recovery.reattach(other)


def _marker(record: SubmissionRecord) -> str:
    return "" if record.marker is None else f" (marker {record.marker})"


def _ids(records: Sequence[SubmissionRecord]) -> str:
    return ", ".join(record.request_id or "one whose answer was lost" for record in records)
