"""An order's records, read and written with the patience that money deserves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from kling_airflow.errors import Money, UnreadableRecord, UnresolvedSubmission
from kling_airflow.submission.ledger import Ledger
from kling_airflow.submission.order import Log, Order
from kling_airflow.submission.record import State, SubmissionRecord

WRITE_PATIENCE: Final = 60.0
"""Seconds in which the id of an accepted submission must have been written down."""
_PAUSE = 2.0


class LedgerAccess:
    """A ledger, as the steps of a submission use it.

    :param ledger: where records are kept.
    :param log: where trouble is told.
    :param now: the clock, in Unix seconds.
    :param sleep: how to wait while an id can't be written down. Not to be cut short, not even by a wish
        that the task ends: until it is written, only the log has it.
    """

    def __init__(
        self, ledger: Ledger, log: Log, *, now: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self.ledger = ledger
        self.log = log
        self.now = now
        self.sleep = sleep

    def read(self, order: Order) -> SubmissionRecord:
        """Return the order's record; a new one, ``not_sent``, where there surely is none.

        :raises UnresolvedSubmission: if there is one that can't be read.
        """
        record = self.recall(order.fingerprint, order.take)
        if record is not None:
            return record
        return SubmissionRecord(order.fingerprint, order.take, order.model, State.NOT_SENT)

    def recall(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record of what was once asked for; None where there surely is none.

        :raises UnresolvedSubmission: if there is one that can't be read.
        """
        with _told():
            return self.ledger.read(fingerprint, take)

    def write(self, record: SubmissionRecord) -> None:
        """Write a record, at once or not at all: the fence before a POST.

        :raises Fenced: if another try has written meanwhile, so that nothing may be sent.
        :raises LedgerUnavailable: if it could not be written, so that nothing may be sent.
        """
        with _told():
            self.ledger.write(record)

    def others(self, order: Order) -> list[SubmissionRecord]:
        """Return what this task instance has asked for besides: orders that the queue has, or may have.

        :raises UnresolvedSubmission: if there is a record that can't be read.
        """
        with _told():
            records = self.ledger.records()
        return [
            record
            for record in records
            if record.may_have_bought and (record.fingerprint, record.take) != (order.fingerprint, order.take)
        ]

    def write_down(self, record: SubmissionRecord) -> None:
        """Write the record of a request that the queue has, trying for a minute.

        :raises UnresolvedSubmission: with the request id, if it could not be written down.
        """
        until = self.now() + WRITE_PATIENCE
        while True:
            try:
                self.ledger.write(record)
            except Exception as error:
                if self.now() >= until:
                    raise UnresolvedSubmission(
                        f"Request {record.request_id} is in the queue, but its id could not be written down:"
                        f" {type(error).__name__}: {error}.",
                        money=Money.HELD,
                        todo="Clear this task: it looks for the request and adopts it. Should it not find it,"
                        f" set `adopt_request_id` to {record.request_id}.",
                        request_id=record.request_id,
                    ) from error
                self.log.warning("Request %s could not be written down yet: %s", record.request_id, error)
                self.sleep(_PAUSE)
            else:
                return

    def claim(self, request_id: str, order: Order) -> bool | None:
        """Make a request the order's own; see :meth:`Ledger.claim`."""
        return self.ledger.claim(request_id, self.ledger.owner(order.fingerprint, order.take))


@contextmanager
def _told() -> Iterator[None]:
    """Say of the ledger's own errors what they mean for the money."""
    try:
        yield
    except UnreadableRecord as error:
        raise UnresolvedSubmission(
            f"The record of this order can't be read: {error.what.rstrip('.')}.",
            todo="Nothing was sent. Use the release of this package that wrote it, or another `take`.",
        ) from error
