"""Finds what an earlier try has bought: a request whose id is known, or one whose answer was lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kling_airflow.errors import GMIError, NotFound, Unauthorized, Unreachable, UnresolvedSubmission
from kling_airflow.gmi.request import Request, Status
from kling_airflow.polling.decision import NOT_FOUND_GRACE, is_temporary
from kling_airflow.submission.echo import asks_the_same
from kling_airflow.submission.ledger_access import LedgerAccess
from kling_airflow.submission.marks import NONCE
from kling_airflow.submission.order import Log, OnUnresolved, Order, Queue, SubmitLater, Submitted
from kling_airflow.submission.reconcile import Asks, Sighting, find, look, names
from kling_airflow.submission.record import SubmissionRecord, clock

LOOKS: Final = (0.0, 2.0, 3.0, 5.0, 10.0, 20.0)
"""Seconds before each look through the list within one call; the caller comes back for further ones."""
LOOK_LATER: Final = 120.0
"""Seconds, at most, until the caller comes back for the next look."""


class Recovery:
    """Finds what an order has already, and never spends money.

    :param queue: a client.
    :param ledger_access: the order's records.
    :param log: gets a line for each step.
    :param grace: seconds to look for a lost request, after its POST can no longer arrive.
    :param on_unresolved: what to do after that.
    :param late_arrival_margin: seconds in which the queue may still create a request after its POST could
        last arrive.
    :param now: the clock, in Unix seconds.
    :param sleep: waits; may raise to end everything.
    :param on_unbilled: called with the record of a request that has failed, so that it isn't billed.
    """

    def __init__(
        self,
        queue: Queue,
        ledger_access: LedgerAccess,
        log: Log,
        *,
        grace: float,
        on_unresolved: OnUnresolved,
        late_arrival_margin: float,
        now: Callable[[], float],
        sleep: Callable[[float], None],
        on_unbilled: Callable[[SubmissionRecord], None] = lambda _: None,
    ) -> None:
        self.on_unbilled = on_unbilled
        self.queue = queue
        self.ledger_access = ledger_access
        self.log = log
        self.grace = grace
        self.on_unresolved = on_unresolved
        self.late_arrival_margin = late_arrival_margin
        self.now = now
        self.sleep = sleep

    keeps_failed = False
    """Whether a request that has failed for good, not for a passing reason, stays that of its order."""

    def reattach(
        self, record: SubmissionRecord, *, of_order: bool = False, quiet: bool = False
    ) -> Submitted | None:
        """Return the request that was paid for; None if it has failed, because failed requests aren't billed.

        :param of_order: whether the record is that of the order as it is asked now.
        :param quiet: whether nothing is said of a request that has failed.
        :raises NotFound: if the queue knows the request neither by its id nor in its list.
        """
        request_id = record.request_id or ""
        try:
            request = self._ask(record, request_id)
        except Unreachable as error:
            # The id is known, so the wait that follows can ask again.
            self.log.warning(
                "Re-attached to request %s. Its status could not be checked: %s", request_id, error.what
            )
            return known(record)
        if request is not None and request.status is Status.FAILED:
            self.on_unbilled(record)
            if of_order and self.keeps_failed and not is_temporary(request.outcome.error or ""):
                return known(record)
        if request is not None and request.status in {Status.FAILED, Status.CANCELLED}:
            if not quiet:
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
        """Return the request; None while a 404 may only mean that it was created just now."""
        try:
            return self.ask(record.model, request_id)
        except NotFound:
            if self.now() - (record.submitted_at or 0.0) < NOT_FOUND_GRACE:
                return None
            raise

    def ask(self, model: str, request_id: str) -> Request:
        """Return a request, out of the list if it can't be had by its id.

        One user saw the latter of requests that were made in the vendor's web console.

        :raises NotFound: if the queue knows the request neither by its id nor in its list.
        """
        try:
            return self.queue.get(request_id)
        except NotFound:
            listed = find(self.queue, model, request_id)
            if listed is None:
                raise
            return listed

    def not_failed(self, records: list[SubmissionRecord]) -> list[SubmissionRecord]:
        """Leave out the records whose requests have all failed; what the queue does not know stays in.

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
        """Find the lost request; None if it is proven, or the user has decided, that it may be sent again.

        :raises SubmitLater: if it was neither found nor ruled out yet.
        :raises UnresolvedSubmission: if it was neither when the grace was over, or can't be told from others.
        """
        asks = _asks(order, record)
        recent = self._elapsed(record) < sum(LOOKS)
        for pause in LOOKS if recent else (0.0,):
            self.sleep(max(0.0, min(pause, self._left(record))))
            sighting = self._look(record, asks)
            if sighting.ours:
                return self._choose(order, record, sighting)
            if sighting.absent:
                self.log.info("The lost submission: %s. Sending again is safe.", sighting.summary)
                return None
            self.log.info("The lost submission: %s. Nothing is sent.", sighting.summary)
            if self._left(record) <= 0:
                self._give_up(record, sighting)
                return None
        away = max(1.0, min(LOOK_LATER, self._left(record)))
        raise SubmitLater(away, "A lost submission is still looked for.")

    def _elapsed(self, record: SubmissionRecord) -> float:
        """Return the seconds since the last POST left, by the queue's clock if both times are known."""
        queue_now = self.queue.queue_time()
        if queue_now is not None and record.queue_sent_at is not None:
            return queue_now - record.queue_sent_at
        return self.now() - (record.sent_at or 0.0)

    def _left(self, record: SubmissionRecord) -> float:
        """Return the seconds until the grace is over."""
        may_take = record.latest_arrival - (record.sent_at or 0.0)
        return may_take + self.grace - self._elapsed(record)

    def _look(self, record: SubmissionRecord, asks: Asks) -> Sighting:
        try:
            return look(self.queue, record, asks, late_arrival_margin=self.late_arrival_margin)
        except Unauthorized:
            raise
        except GMIError as error:
            self.log.warning("The list can't be read: %s", error.what)
            return Sighting()

    def _choose(self, order: Order, record: SubmissionRecord, sighting: Sighting) -> Submitted:
        """Take the request that is ours. Without a marker it may be another task's that asks the same."""
        ours = sorted(sighting.ours, key=preference)
        if record.marker is None and len(ours) > 1:
            raise self._unresolved(record, f"{len(ours)} requests ask the same: {names(ours)}.")
        if len(ours) > 1:
            self.log.error(
                "Bought more than once: requests %s carry the marker %s. Taking %s.",
                names(ours),
                record.marker,
                ours[0].request_id,
            )
        # A failed request is taken too: whether it is submitted anew is decided by `resubmit_on`.
        how = "it carries our marker" if record.marker else "it asks just the same"
        return self.adopt(order, record, ours[0], how, sure=record.marker is not None)

    def adopt(
        self, order: Order, record: SubmissionRecord, request: Request, how: str, *, sure: bool = True
    ) -> Submitted:
        """Make a request the order's own, and store that.

        :param how: why the request is ours, for the log.
        :param sure: whether it can be no other task's; if not, it is ours only if the ledger can claim it.
        :raises UnresolvedSubmission: if it is, or may be, another order's.
        """
        claimed = self.ledger_access.claim(request.request_id, order)
        if claimed is False or (claimed is None and not sure):
            whose = "is another order's" if claimed is False else "may be another task's"
            raise self._unresolved(record, f"Request {request.request_id} {whose}.")
        return self.store(record, request, how)

    def store(self, record: SubmissionRecord, request: Request, how: str) -> Submitted:
        """Store that a request is the order's own, and return it.

        :param how: why the request is ours, for the log.
        """
        self.log.info("Adopted request %s: %s. Nothing was bought.", request.request_id, how)
        submitted_at = float(request.created_at or self.now())
        record = record.submitted(request.request_id, now=submitted_at)
        self.ledger_access.store_id(record)
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
        window = f"between {clock(record.sent_at)} and {clock(record.latest_arrival)}"
        return UnresolvedSubmission(
            f"The answer to a submission was lost; if the submission reached the queue, it did so {window}"
            f" (marker {record.marker}). {why}",
            todo="Look for the request in the GMI Cloud console. If it exists, set `adopt_request_id` to its"
            ' id. If you are certain that it does not, set `on_unresolved="resubmit"`. Then clear this task.',
        )


def known(record: SubmissionRecord) -> Submitted:
    """Return what a record with a request id says."""
    return Submitted(
        record.request_id or "", fresh=False, submitted_at=record.submitted_at, earlier=len(record.earlier)
    )


def preference(request: Request) -> tuple[int, int]:
    """Return the sort key of requests that are all ours: a success first, then a live one, by age."""
    rank = 0 if request.status is Status.SUCCESS else 2 if request.status.terminal else 1
    return rank, request.created_at or 0


def _asks(order: Order, record: SubmissionRecord) -> Asks:
    """Return the comparison of an echo with what the record's POSTs asked."""
    if record.frames:
        frames: Mapping[str, str] = record.frames
    elif record.marker is not None and record.marker.startswith(NONCE):
        frames = dict.fromkeys(order.frames, record.marker)
    else:
        frames = {name: frame.address() for name, frame in order.frames.items()}

    def asks(echo: Mapping[str, Any]) -> bool | None:
        return asks_the_same(echo, order.fields, frames)

    return asks
