"""The steps of a submission, in the order that keeps money safe.

What is about to happen is written down before it happens, and what has happened right after.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from kling_airflow.errors import (
    AmbiguousSubmission,
    InvalidArgument,
    KlingError,
    Money,
    NotAccepted,
    UnresolvedSubmission,
)
from kling_airflow.gmi.call import SUBMIT_TIMEOUTS
from kling_airflow.submission.ledger import Ledger
from kling_airflow.submission.ledger_access import LedgerAccess
from kling_airflow.submission.order import Log, OnUnresolved, Order, Queue, SubmitLater, Submitted
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.recover import Recovery, known

PAUSE_MAX: Final = 60.0
"""Seconds of the longest pause that is sat out here; a longer one is the caller's (``SubmitLater``)."""
STALE_AFTER: Final = 150.0
"""Seconds after which a written intent is too old to send on: soon its absence could be proven. It is written
anew, and a try that has been replaced meanwhile finds itself fenced."""
_FIRST_PAUSE = 2.0


class Submitter:
    """Submits orders, each at most once.

    :param queue: a client.
    :param ledger: where records are kept.
    :param log: where each step is told to a person on call.
    :param until: until when to keep trying while the queue says "not now", in Unix seconds.
    :param grace: seconds to look for a lost request, after its POST can no longer arrive.
    :param on_unresolved: what to do when they are over.
    :param now: the clock, in Unix seconds.
    :param sleep: how to wait; may raise to end everything.
    :param patient_sleep: how to wait while the id of an accepted submission can't be written down.
    """

    def __init__(
        self,
        queue: Queue,
        ledger: Ledger,
        log: Log,
        *,
        until: float,
        grace: float = 600.0,
        on_unresolved: OnUnresolved = OnUnresolved.FAIL,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        patient_sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.queue = queue
        self.log = log
        self.until = until
        self.now = now
        self.sleep = sleep
        self.book = LedgerAccess(ledger, log, now=now, sleep=patient_sleep)
        self.recovery = Recovery(
            queue, self.book, log, grace=grace, on_unresolved=on_unresolved, now=now, sleep=sleep
        )

    def submit(self, order: Order) -> Submitted:
        """Return the order's request: the one it already has, or a new one.

        :raises SubmitLater: nothing can be done now; submit the same order again later.
        :raises NotAccepted: the queue kept saying "not now"; nothing was bought.
        :raises Rejected: refused for good, as are ``NotFound``, ``Unauthorized``, ``InsufficientCredits``.
        :raises UnresolvedSubmission: an answer was lost, and the request could be neither found nor ruled
            out; or the record can't be read.
        """
        lost: AmbiguousSubmission | None = None
        while True:
            submitted = self._recovered(order)
            if submitted is not None:
                return submitted
            if lost is not None and self.now() > self.until:
                raise NotAccepted(f"{lost.what} It is not in the queue, and `submit_timeout` is over.")
            try:
                return self._send(order, self.book.read(order))
            except AmbiguousSubmission as error:
                self.log.warning("%s Looking for it in the queue's list.", error.what)
                lost = error

    def adopt(self, order: Order, request_id: str) -> Submitted:
        """Make a request that a person names this order's own, and return it.

        Once it was adopted it is like any other: when it has failed, the order is submitted anew.

        :raises NotFound: if the queue doesn't know it.
        :raises InvalidArgument: if it is a request of another model.
        :raises UnresolvedSubmission: if it is another order's, or this order has another request already.
        """
        record = self.book.read(order)
        if request_id in {record.request_id, *record.earlier}:
            return self.submit(order)
        if record.request_id is not None:
            raise UnresolvedSubmission(
                f"`adopt_request_id` is {request_id}, but this order has {record.request_id} already.",
                money=Money.HELD,
                todo="Leave `adopt_request_id` out, or set another `take` with it.",
                request_id=record.request_id,
            )
        request = self.recovery.ask(order.model, request_id)
        if request.model not in {"", order.model}:
            raise InvalidArgument(
                f"`adopt_request_id` is {request_id}, a request of {request.model}; this order is one of"
                f" {order.model}."
            )
        return self.recovery.adopt(order, record, request, "as `adopt_request_id` asks")

    def remembered(self) -> list[SubmissionRecord]:
        """Return all that this task instance has asked for; nothing where that can't be read."""
        try:
            return self.book.ledger.records()
        except Exception:
            return []

    def others(self, order: Order) -> list[SubmissionRecord]:
        """Return what this task instance has asked for besides: orders that the queue has, or may have."""
        return self.book.others(order)

    def not_failed(self, records: list[SubmissionRecord]) -> list[SubmissionRecord]:
        """Ask the queue, and leave out what has failed and so isn't billed.

        :raises Unreachable: if the queue can't be asked now.
        """
        return self.recovery.not_failed(records)

    def _recovered(self, order: Order) -> Submitted | None:
        record = self.book.read(order)
        match record.state:
            case State.SUBMITTED:
                return self.recovery.reattach(record)
            case State.SENDING:
                return self.recovery.resolve(order, record)
            case State.NOT_SENT:
                return None

    def _send(self, order: Order, record: SubmissionRecord) -> Submitted:
        # What has ended is delivered anew: its frames may be why it failed.
        again = record.request_id is None
        frames = order.deliver(record.marker if again else None, record.frames if again else {})
        payload = order.payload(frames.values)
        while True:
            record = record.sending(
                now=self.now(),
                within=SUBMIT_TIMEOUTS.total,
                marker=frames.marker,
                frames=frames.addresses,
            )
            self.book.write(record)
            if self.now() - (record.sent_at or 0.0) > STALE_AFTER:
                continue  # this worker stood still: another try may have begun, and the next write tells
            try:
                request = self.queue.submit(order.model, payload)
            except AmbiguousSubmission:
                raise
            except NotAccepted as error:
                record = record.not_sent(error.what)
                self.book.write(record)
                self._pause(error, record.posts)
            except KlingError as error:
                self.book.write(record.not_sent(error.what))
                raise
            else:
                return self._accepted(order, record, request.request_id)

    def _pause(self, error: NotAccepted, posts: int) -> None:
        """Wait as told, or a little longer each time; give up where the wait would outlast the patience."""
        backoff = random.uniform(0.5, 1.0) * _FIRST_PAUSE * 2 ** min(posts - 1, 10)  # noqa: S311 -- jitter
        pause = max(min(backoff, PAUSE_MAX), error.retry_after or 0.0)
        if self.now() + pause > self.until:
            raise error
        if pause > PAUSE_MAX:
            raise SubmitLater(pause, error.what)
        self.log.info("%s Sending again in %.0f s.", error.what, pause)
        self.sleep(pause)

    def _accepted(self, order: Order, record: SubmissionRecord, request_id: str) -> Submitted:
        """Write the id down. Until that is done the log is the only place that has it."""
        self.log.info("Submitted: request %s (marker %s).", request_id, record.marker)
        record = record.submitted(request_id, now=self.now())
        self.book.write_down(record)
        if self.book.claim(request_id, order) is False:
            self.log.error("Request %s is new, and yet another order has claimed it.", request_id)
        return replace(known(record), fresh=True)
