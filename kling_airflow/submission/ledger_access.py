"""An order's records in the ledger, as the steps of a submission read and write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from kling_airflow.errors import Money, UnreadableRecord, UnresolvedSubmission
from kling_airflow.submission.ledger import Ledger
from kling_airflow.submission.order import Log, Order
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey

STORE_ID_TIMEOUT: Final = 60.0
"""Seconds within which the id of an accepted submission must have been stored."""
_PAUSE = 2.0


class LedgerAccess:
    """Reads and writes the records of a ledger, and retries storing an accepted request id for 60 s.

    :param ledger: the ledger.
    :param log: gets a line for each fault.
    :param now: the clock, in Unix seconds.
    :param sleep: waits while an id can't be stored. It must not be cut short, not even if the task is to
        end: until the id is stored, only the log has it.
    """

    def __init__(
        self, ledger: Ledger, log: Log, *, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self.ledger = ledger
        self.log = log
        self.now = now
        self.sleep = sleep

    def order_id(self, order: Order) -> str:
        """Return the order's id, which no other order of any task has."""
        return self.ledger.key.order(order.fingerprint, order.take)

    def read(self, order: Order) -> SubmissionRecord:
        """Return the order's record; a new one, ``not_sent``, if there surely is no record.

        :raises UnresolvedSubmission: if there is a record that can't be read.
        """
        record = self.recall(order.fingerprint, order.take)
        return new_record(order) if record is None else record

    def recall(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record of an order; None if there surely is no record.

        :raises UnresolvedSubmission: if there is a record that can't be read.
        """
        with _explained():
            return self.ledger.read(fingerprint, take)

    def write(self, record: SubmissionRecord) -> None:
        """Write a record, at once or not at all. This is the fence before a POST.

        :raises Fenced: if another try has written meanwhile, so that nothing may be sent.
        :raises LedgerUnavailable: if the record could not be written, so that nothing may be sent.
        """
        with _explained():
            self.ledger.write(record)

    def others(self, order: Order) -> list[SubmissionRecord]:
        """Return this task instance's other orders that the queue has, or may have.

        :raises UnresolvedSubmission: if there is a record that can't be read.
        """
        with _explained():
            records = self.ledger.records()
        return [
            record
            for record in records
            if record.may_have_bought and not record.is_of(order.fingerprint, order.take)
        ]

    def siblings(self, order: Order) -> list[tuple[TaskKey, SubmissionRecord]]:
        """Return the same order's records of the other mapped instances of this task and run.

        :raises UnresolvedSubmission: if there is a record that can't be read.
        """
        with _explained():
            return self.ledger.siblings(order.fingerprint, order.take)

    def store_id(self, record: SubmissionRecord) -> None:
        """Write the record of a request that is in the queue; retry for 60 s.

        :raises UnresolvedSubmission: with the request id, if it could not be stored.
        """
        until = self.now() + STORE_ID_TIMEOUT
        while True:
            try:
                self.ledger.write(record)
            except Exception as error:
                if self.now() >= until:
                    raise UnresolvedSubmission(
                        f"Request {record.request_id} is in the queue, but its id could not be stored:"
                        f" {type(error).__name__}: {error}.",
                        money=Money.HELD,
                        todo="Clear this task: it looks for the request and adopts it. If it does not find"
                        f" the request, set `adopt_request_id` to {record.request_id}.",
                        request_id=record.request_id,
                    ) from error
                self.log.warning("Request %s could not be stored yet: %s", record.request_id, error)
                self.sleep(_PAUSE)
            else:
                return

    def claim(self, request_id: str, order: Order) -> bool | None:
        """Claim a request for the order; see :meth:`Ledger.claim`."""
        return self.ledger.claim(request_id, self.ledger.owner(order.fingerprint, order.take))

    def take_over(self, request_id: str, sibling: TaskKey, order: Order) -> bool:
        """Move a sibling's claim on a request to the order; see :meth:`Ledger.take_over`."""
        return self.ledger.take_over(request_id, sibling, order.fingerprint, order.take)


def new_record(order: Order) -> SubmissionRecord:
    """Return the record of an order that was never sent."""
    return SubmissionRecord(order.fingerprint, order.take, order.model, State.NOT_SENT)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the error of an unreadable record into one that says what it means for the money."""
    try:
        yield
    except UnreadableRecord as error:
        raise UnresolvedSubmission(
            f"The record of this order can't be read: {error.what.rstrip('.')}.",
            todo="Nothing was sent. Use the release of this package that wrote it, or another `take`.",
        ) from error
