"""What an earlier try left behind: a request that is known, or one whose answer was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kling_airflow.errors import GMIError, NotFound, Unauthorized, Unreachable, UnresolvedSubmission
from kling_airflow.gmi.request import Request, Status
from kling_airflow.polling.decision import NOT_FOUND_GRACE
from kling_airflow.submission.ledger_access import LedgerAccess
from kling_airflow.submission.order import Log, OnUnresolved, Order, Queue, SubmitLater, Submitted
from kling_airflow.submission.reconcile import Sighting, find, look
from kling_airflow.submission.record import SubmissionRecord, clock

LOOKS: Final = (0.0, 2.0, 3.0, 5.0, 10.0, 20.0)
"""Seconds before each look through the list that is made here; further ones are the caller's."""
LOOK_LATER: Final = 120.0
"""Seconds the caller stays away, at most, before the next look."""


class Recovery:
    """Finds what an order has already, without ever spending.

    :param queue: a client.
    :param book: the order's records.
    :param log: where each step is told to a person on call.
    :param grace: seconds to look for a lost request, after its POST can no longer arrive.
    :param on_unresolved: what to do when they are over.
    :param now: the clock, in Unix seconds.
    :param sleep: how to wait; may raise to end everything.
    """

    def __init__(
        self,
        queue: Queue,
        book: LedgerAccess,
        log: Log,
        *,
        grace: float,
        on_unresolved: OnUnresolved,
        now: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.queue = queue
        self.book = book
        self.log = log
        self.grace = grace
        self.on_unresolved = on_unresolved
        self.now = now
        self.sleep = sleep

    def reattach(self, record: SubmissionRecord) -> Submitted | None:
        """Return the request that was paid for; None where it has failed, which isn't billed.

        :raises NotFound: the queue knows it neither by its id nor in its list.
        """
        request_id = record.request_id or ""
        try:
            request = self._ask(record, request_id)
        except Unreachable as error:
            # Its id is known, and whoever waits for it can ask as well as we can.
            self.log.warning("Re-attached to request %s unseen: %s", request_id, error.what)
            return known(record)
        if request is not None and request.status in {Status.FAILED, Status.CANCELLED}:
            self.log.info(
                "Request %s of an earlier try is %s (%s): submitting anew.",
                request_id,
                request.status,
                request.outcome.error or "no reason given",
            )
            return None
        status = request.status if request is not None else "not listed yet"
        self.log.info("Re-attached to request %s (%s): nothing was bought.", request_id, status)
        return known(record)

    def _ask(self, record: SubmissionRecord, request_id: str) -> Request | None:
        """Return the request; None while a 404 may only mean that it is too young."""
        try:
            return self.ask(record.model, request_id)
        except NotFound:
            if self.now() - (record.submitted_at or 0.0) < NOT_FOUND_GRACE:
                return None
            raise

    def ask(self, model: str, request_id: str) -> Request:
        """Return a request, out of the list where it can't be had by its id (seen of the console's own).

        :raises NotFound: the queue knows it neither by its id nor in its list.
        """
        try:
            return self.queue.get(request_id)
        except NotFound:
            listed = find(self.queue, model, request_id)
            if listed is None:
                raise
            return listed

    def not_failed(self, records: list[SubmissionRecord]) -> list[SubmissionRecord]:
        """Leave out whose requests have all failed; what the queue does not know of stays in.

        :raises Unreachable: if the queue can't be asked now.
        """
        return [record for record in records if not self._has_failed(record)]

    def _has_failed(self, record: SubmissionRecord) -> bool:
        if record.request_id is None:
            return False
        try:
            requests = [self.ask(record.model, each) for each in (record.request_id, *record.earlier)]
        except Unreachable:
            raise
        except GMIError:
            return False
        return all(request.status is Status.FAILED for request in requests)

    def resolve(self, order: Order, record: SubmissionRecord) -> Submitted | None:
        """Find the lost request; None where it is proven, or the user's word, that it may be sent again.

        :raises SubmitLater: it was neither found nor ruled out yet.
        :raises UnresolvedSubmission: it was neither when the grace was over, or it can't be told from others.
        """
        over = (record.arrives_by or 0.0) + self.grace
        young = self.now() - (record.sent_at or 0.0) < sum(LOOKS)
        for pause in LOOKS if young else (0.0,):
            self.sleep(max(0.0, min(pause, over - self.now())))
            sighting = self._look(order, record)
            if sighting.ours:
                return self._choose(order, record, sighting)
            if sighting.absent:
                self.log.info("The lost submission: %s. Sending again is safe.", sighting.summary)
                return None
            self.log.info("The lost submission: %s. Nothing is sent.", sighting.summary)
            if self.now() >= over:
                self._give_up(record, sighting)
                return None
        away = max(1.0, min(LOOK_LATER, over - self.now()))
        raise SubmitLater(away, "A lost submission is still looked for.")

    def _look(self, order: Order, record: SubmissionRecord) -> Sighting:
        try:
            return look(self.queue, record, order.matches, now=self.now)
        except Unauthorized:
            raise
        except GMIError as error:
            self.log.warning("The list can't be read: %s", error.what)
            return Sighting()

    def _choose(self, order: Order, record: SubmissionRecord, sighting: Sighting) -> Submitted:
        """Take the one that is ours. Without a marker it may be another task's twin."""
        ours = sorted(sighting.ours, key=lambda request: (_rank(request), request.created_at or 0))
        if record.marker is None and len(ours) > 1:
            raise self._unresolved(record, f"{len(ours)} requests ask the same: {_ids(ours)}.")
        if len(ours) > 1:
            self.log.error(
                "Bought more than once: requests %s carry the marker %s. Taking %s.",
                _ids(ours),
                record.marker,
                ours[0].request_id,
            )
        # One that has failed is taken, too: whether it is worth another is decided where failures are.
        how = "it carries our marker" if record.marker else "it asks just the same"
        return self.adopt(order, record, ours[0], how, sure=record.marker is not None)

    def adopt(
        self, order: Order, record: SubmissionRecord, request: Request, how: str, *, sure: bool = True
    ) -> Submitted:
        """Make a request the order's own, and write that down.

        :param how: why it is ours, for the log.
        :param sure: whether it can be nobody else's; if not, only a ledger that can claim it makes it ours.
        :raises UnresolvedSubmission: if it is, or may be, another's.
        """
        claimed = self.book.claim(request.request_id, order)
        if claimed is False or (claimed is None and not sure):
            whose = "is another order's" if claimed is False else "may be another task's"
            raise self._unresolved(record, f"Request {request.request_id} {whose}.")
        self.log.info("Adopted request %s: %s. Nothing was bought.", request.request_id, how)
        submitted_at = float(request.created_at or self.now())
        record = record.submitted(request.request_id, now=submitted_at)
        self.book.write_down(record)
        return known(record)

    def _give_up(self, record: SubmissionRecord, sighting: Sighting) -> None:
        if self.on_unresolved is OnUnresolved.RESUBMIT:
            self.log.warning(
                "The lost submission was neither found nor ruled out (%s). Sending again, as `on_unresolved`"
                " asks: this may buy the clip twice.",
                sighting.summary,
            )
            return
        raise self._unresolved(record, f"In {self.grace:.0f} s of looking: {sighting.summary}.")

    def _unresolved(self, record: SubmissionRecord, why: str) -> UnresolvedSubmission:
        window = f"between {clock(record.sent_at)} and {clock(record.arrives_by)}"
        return UnresolvedSubmission(
            f"The answer to a submission was lost; it reached the queue {window}, if ever"
            f" (marker {record.marker}). {why}",
            todo="Look for it in the GMI Cloud console. Is it there: set `adopt_request_id` to its id. Is it"
            ' surely not: set `on_unresolved="resubmit"`. Then clear this task.',
        )


def known(record: SubmissionRecord) -> Submitted:
    """Return what a record with a request id says."""
    return Submitted(
        record.request_id or "", fresh=False, submitted_at=record.submitted_at, earlier=len(record.earlier)
    )


def _rank(request: Request) -> int:
    """Order what carries our marker: a success first, then what may become one, then the rest."""
    if request.status is Status.SUCCESS:
        return 0
    return 2 if request.status.terminal else 1


def _ids(requests: list[Request]) -> str:
    return ", ".join(request.request_id for request in requests[:10])
