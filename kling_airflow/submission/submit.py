"""The steps of a submission, in the order that keeps money safe.

What is about to happen is stored before it happens, and what has happened is stored right after.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from kling_airflow.errors import (
    AmbiguousSubmission,
    GMIError,
    InvalidArgument,
    KlingError,
    Money,
    NotAccepted,
    UnresolvedSubmission,
)
from kling_airflow.gmi.call import SUBMIT_TIMEOUTS
from kling_airflow.submission.budget import Budgets
from kling_airflow.submission.changed_order import ChangedOrder, refuse_while_in_doubt
from kling_airflow.submission.echo import differing_fields
from kling_airflow.submission.ledger import Ledger
from kling_airflow.submission.ledger_access import LedgerAccess
from kling_airflow.submission.lost_memory import LostMemory, LostMemorySearch
from kling_airflow.submission.order import Log, OnChanged, OnUnresolved, Order, Queue, SubmitLater, Submitted
from kling_airflow.submission.reconcile import LATE_ARRIVAL_MARGIN
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.recover import Recovery, known
from kling_airflow.submission.siblings import MappedSiblings

PAUSE_MAX: Final = 60.0
"""Seconds of the longest pause that is waited here; after a longer one the caller comes back."""
STALE_AFTER: Final = 150.0
"""Seconds after which a stored intent is too old to send on: its absence could soon be proven. The intent is
stored anew, and a try that a newer one has replaced meanwhile is fenced."""
FIRST_BACKOFF: Final = 2.0
"""Seconds of the first pause after "not now"; each further one is twice as long."""


class Submitter:
    """Submits orders, each at most once.

    :param queue: a client.
    :param ledger: where records are kept.
    :param log: gets a line for each step.
    :param until: until when to keep trying while the queue says "not now", in Unix seconds.
    :param grace: seconds to look for a lost request, after its POST can no longer arrive.
    :param on_unresolved: what to do after that.
    :param late_arrival_margin: seconds in which the queue may still create a request after its POST could
        last arrive. A request that it creates later can be bought twice.
    :param lost_memory: what is known of a task instance that had earlier tries; None for a first try.
    :param now: the clock, in Unix seconds.
    :param sleep: waits; may raise to end everything.
    :param store_sleep: waits while the id of an accepted submission can't be stored; never cut short.
    :param first_backoff: seconds of the first pause after "not now".
    :param budgets: what may be spent; the price is claimed before each POST.
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
        late_arrival_margin: float = LATE_ARRIVAL_MARGIN,
        lost_memory: LostMemory | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        store_sleep: Callable[[float], None] = time.sleep,
        first_backoff: float | None = None,
        budgets: Budgets | None = None,
    ) -> None:
        self.budgets = budgets or Budgets()
        self.queue = queue
        self.log = log
        self.until = until
        self.lost_memory = lost_memory
        self.now = now
        self.sleep = sleep
        self.first_backoff = FIRST_BACKOFF if first_backoff is None else first_backoff
        self.ledger_access = LedgerAccess(ledger, log, now=now, sleep=store_sleep)
        self.recovery = Recovery(
            queue,
            self.ledger_access,
            log,
            grace=grace,
            on_unresolved=on_unresolved,
            late_arrival_margin=late_arrival_margin,
            now=now,
            sleep=sleep,
            on_unbilled=lambda record: self.budgets.release(ledger.key, record),
        )

    def begin(self) -> bool:
        """Note in the ledger that the task has begun; return whether the ledger remembers all its tries.

        Call it before anything that can fail. A later try then knows that nothing was forgotten, even if
        this one ends before it has anything to store.
        """
        return self.ledger_access.ledger.begin(complete=self.lost_memory is None)

    def submit(
        self,
        order: Order,
        *,
        on_changed: OnChanged = OnChanged.SUBMIT,
        in_doubt: tuple[str, int] | None = None,
    ) -> Submitted:
        """Return the order's request: the one it already has, or a new one.

        :param on_changed: what to do if this task instance has another order.
        :param in_doubt: (fingerprint, take) of the order on which this try paused; None without a pause.
        :raises SubmitLater: if nothing can be done now; submit the same order again later.
        :raises NotAccepted: if the queue kept saying "not now"; nothing was bought.
        :raises Rejected: if it was refused for good, as are ``NotFound``, ``Unauthorized`` and
            ``InsufficientCredits``.
        :raises UnresolvedSubmission: if an answer was lost, and the request could be neither found nor ruled
            out; or if the record can't be read.
        :raises InvalidArgument: if there is another order, and ``on_changed`` refuses this one.
        """
        complete = self.begin()
        refuse_while_in_doubt(self.ledger_access, order, in_doubt)
        reused = ChangedOrder(self.ledger_access, self.recovery, self.log).apply(order, on_changed)
        if reused is not None:
            return reused
        lost: AmbiguousSubmission | None = None
        while True:
            submitted = self._recovered(order, complete=complete)
            if submitted is not None:
                return submitted
            if lost is not None and self.now() > self.until:
                raise NotAccepted(f"{lost.what} It is not in the queue, and `submit_timeout` is over.")
            try:
                return self._send(order, self.ledger_access.read(order))
            except AmbiguousSubmission as error:
                self.log.warning("%s Looking for it in the queue's list.", error.what)
                lost = error

    def adopt(
        self,
        order: Order,
        request_id: str,
        *,
        mismatch_allowed: bool = False,
        in_doubt: tuple[str, int] | None = None,
    ) -> Submitted:
        """Make a request that a person names this order's own, and return it.

        After that it is like any other: when it has failed, the order is submitted anew.

        :param mismatch_allowed: whether the request may ask for something else than the order.
        :param in_doubt: as for :meth:`submit`.
        :raises NotFound: if the queue doesn't know it.
        :raises InvalidArgument: if it is a request of another model, or asks for something else.
        :raises UnresolvedSubmission: if it is another order's, or this order has another request already.
        """
        self.begin()
        refuse_while_in_doubt(self.ledger_access, order, in_doubt)
        record = self.ledger_access.read(order)
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
        if not mismatch_allowed and (fields := differing_fields(request.payload, order.fields)):
            raise InvalidArgument(
                f"`adopt_request_id` is {request_id}, a request that asks for something else: its"
                f" {' and '.join(f'`{name}`' for name in fields)} is not what this task asks.",
                money=Money.HELD,
                todo="Check the request id. If you want this request all the same, set"
                ' `adopt_mismatch="allow"`.',
                request_id=request_id,
            )
        return self.recovery.adopt(order, record, request, "as `adopt_request_id` asks")

    def bought_before(self) -> list[SubmissionRecord]:
        """Return the records of this task instance that the queue has, or may have, a request of.

        It is for messages: an unreadable ledger counts as empty.
        """
        try:
            records = self.ledger_access.ledger.records()
        except Exception:
            return []
        return [record for record in records if record.may_have_bought]

    def _recovered(self, order: Order, *, complete: bool) -> Submitted | None:
        """Return what the order has already; None if it is safe to send."""
        record = self.ledger_access.read(order)
        siblings = MappedSiblings(self.recovery, self.lost_memory)
        match record.state:
            case State.SUBMITTED if not siblings.has_taken_over(order, record):
                return self.recovery.reattach(record, of_order=True)
            case State.SENDING:
                return self.recovery.resolve(order, record)
        if (found := siblings.find(order, record)) is not None:
            return found
        return self._search(order, record, complete=complete)

    def _search(self, order: Order, record: SubmissionRecord, *, complete: bool) -> Submitted | None:
        """Search the queue for a request whose record is lost, or that another mapped instance bought."""
        memory = self.lost_memory
        if memory is None or record.posts:
            return None
        mapped = self.ledger_access.ledger.key.map_index >= 0 and memory.cleared
        if complete and (not mapped or self.ledger_access.ledger.shares_siblings):
            return None
        return LostMemorySearch(self.recovery, memory, complete=complete).search(order, record)

    def _send(self, order: Order, record: SubmissionRecord) -> Submitted:
        # What has ended is delivered anew: its frames may be why it failed.
        again = record.request_id is None
        order_id = self.ledger_access.order_id(order)
        frames = order.deliver(order_id, record.marker if again else None, record.frames if again else {})
        payload = order.payload(frames.values)
        while True:
            record = record.sending(
                now=self.now(),
                within=SUBMIT_TIMEOUTS.total,
                marker=frames.marker,
                frames=frames.addresses,
                queue_now=self._queue_time(order),
            )
            record = replace(record, price_usd=order.price_usd)
            self.budgets.claim(self.ledger_access.ledger.key, record, order.ask_price)
            self.ledger_access.write(record)
            if self.now() - (record.sent_at or 0.0) > STALE_AFTER:
                continue  # this worker stood still: another try may have begun, and the next write tells
            try:
                request = self.queue.submit(order.model, payload)
            except AmbiguousSubmission:
                self.ledger_access.write(record.attempt_ended(now=self.now()))
                raise
            except NotAccepted as error:
                record = self._not_sent(record, error)
                self._pause(error, record.posts)
            except KlingError as error:
                self._not_sent(record, error)
                raise
            else:
                return self._accepted(order, record, request.request_id)

    def _not_sent(self, record: SubmissionRecord, error: KlingError) -> SubmissionRecord:
        """Store a definite refusal, and give back what was claimed for it."""
        record = record.not_sent(error.what)
        self.ledger_access.write(record)
        if not record.in_doubt:
            self.budgets.release(self.ledger_access.ledger.key, record)
        return record

    def _queue_time(self, order: Order) -> float | None:
        """Return the queue's time; the queue is asked if no response of this process has told it."""
        if self.queue.queue_time() is None:
            with suppress(GMIError):
                self.queue.list_page(order.model, limit=1, offset=0)
        return self.queue.queue_time()

    def _pause(self, error: NotAccepted, posts: int) -> None:
        """Wait as the queue asks, or with backoff; give up if the wait would end after ``until``."""
        backoff = random.uniform(0.5, 1.0) * self.first_backoff * 2 ** min(posts - 1, 10)  # noqa: S311 -- jitter
        pause = max(min(backoff, PAUSE_MAX), error.retry_after or 0.0)
        if self.now() + pause > self.until:
            raise error
        if pause > PAUSE_MAX:
            raise SubmitLater(pause, error.what)
        self.log.info("%s Sending again in %.0f s.", error.what, pause)
        self.sleep(pause)

    def _accepted(self, order: Order, record: SubmissionRecord, request_id: str) -> Submitted:
        """Store the id. Until that is done the log is the only place that has it."""
        found_by = (
            f" If its id is lost, its marker finds it in the list: {record.marker}" if record.marker else ""
        )
        self.log.info("Submitted: request %s: %s.%s", request_id, order.summary, found_by)
        record = record.submitted(request_id, now=self.now())
        self.ledger_access.store_id(record)
        if self.ledger_access.claim(request_id, order) is False:
            self.log.error("Request %s is new, and yet another order has claimed it.", request_id)
        return replace(known(record), fresh=True)
