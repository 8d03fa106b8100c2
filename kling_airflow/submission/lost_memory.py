"""Finds what a task has bought when its ledger has forgotten it, before anything is bought anew.

Airflow 3.4 and later discard the task state store when a user clears a task. Then the queue itself is the
memory: every delivered frame carries its order's id in its metadata, and the queue's list echoes the frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from kling_airflow.errors import DownloadFailed, GMIError, KlingError, Unauthorized, UnresolvedSubmission
from kling_airflow.gmi.call import SUBMIT_TIMEOUTS
from kling_airflow.gmi.request import Request, Status
from kling_airflow.nested import at
from kling_airflow.submission.echo import asks_the_same, picture_in
from kling_airflow.submission.identity import address_identity, content_identity
from kling_airflow.submission.kinship import Kinship, by_ids, is_another, sibling_ids
from kling_airflow.submission.marks import order_ids
from kling_airflow.submission.order import OnUnresolved, Order, SubmitLater, Submitted, is_address
from kling_airflow.submission.reconcile import (
    CLOCKS_DIFFER_BY,
    MARGIN,
    UNKNOWN_CLOCK_MARGIN,
    Rows,
    Window,
    may_be_of_model,
    names,
    read_list,
)
from kling_airflow.submission.record import SubmissionRecord, clock
from kling_airflow.submission.recover import LOOK_LATER, Recovery, preference


@dataclass(frozen=True, slots=True)
class LostMemory:
    """What is known of a task instance whose earlier tries may have bought something.

    :param since: when the first try can have begun, in Unix seconds: the run's start, less some slack.
    :param read_frame: returns the bytes of a picture at a public address.
    :param claimed: ids of requests that other mapped instances of this task and run hold; not of instances
        that were cleared as well and have not begun again.
    :param cleared: whether a user has cleared the task: only then can the upstream list of a mapped task
        have come in another order.
    """

    since: float
    read_frame: Callable[[str], bytes] = field(repr=False)
    claimed: frozenset[str] = frozenset()
    cleared: bool = True


class LostMemorySearch:
    """Searches the queue's list for a request of an order without a record.

    :param recovery: the queue, the ledger, the log, the clock and the grace of the submission.
    :param memory: what is known of the task instance.
    :param complete: whether the ledger remembers all tries, so that only requests of other mapped
        instances are searched.
    """

    def __init__(self, recovery: Recovery, memory: LostMemory, *, complete: bool) -> None:
        self.recovery = recovery
        self.memory = memory
        self.complete = complete
        self._pictures: dict[str, bytes | None] = {}
        self._silent_hosts: set[str] = set()

    def search(self, order: Order, record: SubmissionRecord) -> Submitted | None:
        """Return the request that was bought; None if it is proven that nothing was.

        :param record: the order's new record; it notes since when the search goes on.
        :raises SubmitLater: if neither is known yet.
        :raises UnresolvedSubmission: if neither was known when the grace was over, or several may be it.
        """
        rows = self._read(order, record)
        kin = self._sort(order, record, rows)
        if ours := self._live(kin[Kinship.OURS]):
            return self._take(order, record, ours, "it carries this order's id")
        free = [row for row in self._live(kin[Kinship.SIBLING]) if row.request_id not in self.memory.claimed]
        if len(free) == 1:
            return self._take(
                order, record, free, "another mapped instance asked for the same, before the clear"
            )
        if len(free) > 1:
            raise self._unresolved(free, "were bought for the same order of other mapped instances")
        held = {other.request_id for other in self.recovery.ledger_access.others(order)}
        held |= self.memory.claimed
        candidates = [row for row in self._live(kin[Kinship.CANDIDATE]) if row.request_id not in held]
        unclear = [row for row in kin[Kinship.UNCLEAR] if row.request_id not in held]
        # Nothing in a candidate tells takes apart: the only one can be that of an earlier take.
        if len(candidates) > 1 or (candidates and order.take > 1):
            raise self._unresolved(candidates, "ask for the same")
        if candidates and rows.read_back and not unclear:
            return self._take(
                order, record, candidates, "it is the only one of this run's time that asks the same"
            )
        return self._nothing(order, record, rows, [*candidates, *unclear])

    def _read(self, order: Order, record: SubmissionRecord) -> Rows:
        try:
            return read_list(self.recovery.queue, order.model, self._window(record))
        except Unauthorized:
            raise
        except GMIError as error:
            self.recovery.log.warning("The list can't be read: %s", error.what)
            return Rows({}, current=False)

    def _window(self, record: SubmissionRecord) -> Window:
        """Return the time in which an earlier try may have bought: until a POST of it can last arrive."""
        until = float("inf")
        if record.queue_searched_since is not None:
            until = record.queue_searched_since + MARGIN
        elif record.searched_since is not None:
            until = record.searched_since + MARGIN + UNKNOWN_CLOCK_MARGIN
        until += SUBMIT_TIMEOUTS.total + self.recovery.late_arrival_margin
        return Window(self.memory.since - MARGIN, until)

    def _sort(self, order: Order, record: SubmissionRecord, rows: Rows) -> dict[Kinship, list[Request]]:
        key = self.recovery.ledger_access.ledger.key
        own = key.order(order.fingerprint, order.take)
        siblings = sibling_ids(key, order) if self.memory.cleared else frozenset()
        since = self._window(record).since
        kin: dict[Kinship, list[Request]] = {kinship: [] for kinship in Kinship}
        for row in rows.requests.values():
            age = since - (since if row.created_at is None else row.created_at)
            if not may_be_of_model(row, order.model) or age > CLOCKS_DIFFER_BY:
                continue
            kinship = self._kinship(order, row, own, siblings)
            # An order's id is of one run, whatever the clocks say.
            if age <= 0 or kinship in {Kinship.OURS, Kinship.SIBLING}:
                kin[kinship].append(row)
        return kin

    def _kinship(self, order: Order, row: Request, own: str, siblings: frozenset[str]) -> Kinship:
        same = asks_the_same(row.payload, order.fields) if row.payload else None
        if same is False or row.status is Status.FAILED:
            return Kinship.FOREIGN  # a failed request is not billed
        if not row.payload:
            return Kinship.UNCLEAR
        if not order.frames:
            return Kinship.CANDIDATE if same else Kinship.UNCLEAR
        return self._by_picture(order, row, own, siblings)

    def _by_picture(self, order: Order, row: Request, own: str, siblings: frozenset[str]) -> Kinship:
        """Decide by the frames of a row that asks the same, as far as its echo tells."""
        kinship = Kinship.CANDIDATE
        identities = {frame.identity for frame in order.frames.values()}
        for name, frame in order.frames.items():
            value = at(row.payload, name)
            if not isinstance(value, str):
                kinship = Kinship.UNCLEAR
            elif is_address(frame.identity):
                if asks_the_same({name: value}, {}, {name: frame.address()}) is False:
                    if address_identity(value) not in identities:
                        return Kinship.FOREIGN
                    kinship = Kinship.UNCLEAR  # the echo's list is sorted otherwise, or lacks an entry
            elif (picture := self._picture(value)) is None:
                kinship = Kinship.UNCLEAR
            else:
                if ids := order_ids(picture):
                    return by_ids(ids, own, siblings)
                found = content_identity(picture, like=frame.identity)
                if found not in identities and all(
                    is_another(picture, each) for each in order.frames.values()
                ):
                    return Kinship.FOREIGN
                if found != frame.identity:
                    kinship = Kinship.UNCLEAR
        return kinship

    def _picture(self, value: str) -> bytes | None:
        """Return the picture that an echo names or contains; None if it can't be read."""
        if value not in self._pictures:
            self._pictures[value] = self._read_picture(value)
        return self._pictures[value]

    def _read_picture(self, value: str) -> bytes | None:
        if "://" not in value[:10]:
            return picture_in(value)
        host = value.partition("://")[2].partition("/")[0]
        if host in self._silent_hosts:
            return None
        try:
            return self.memory.read_frame(value)
        except KlingError as error:
            self.recovery.log.warning("The picture of a request can't be read: %s", error.what)
            if not (isinstance(error, DownloadFailed) and error.gone):
                self._silent_hosts.add(host)  # a hundred pictures there would hold the worker for an hour
            return None

    def _live(self, rows: list[Request]) -> list[Request]:
        """Leave out what was cancelled, and name it."""
        for row in rows:
            if row.status is Status.CANCELLED:
                self.recovery.log.warning(
                    "Request %s of this order was cancelled; it is not taken.", row.request_id
                )
        return [row for row in rows if row.status is not Status.CANCELLED]

    def _take(self, order: Order, record: SubmissionRecord, rows: list[Request], how: str) -> Submitted:
        rows = sorted(rows, key=preference)
        if len(rows) > 1:
            self.recovery.log.error(
                "Bought more than once: requests %s carry this order's id. Taking %s.",
                names(rows),
                rows[0].request_id,
            )
        return self.recovery.adopt(order, record, rows[0], how)

    def _nothing(
        self, order: Order, record: SubmissionRecord, rows: Rows, unclear: list[Request]
    ) -> Submitted | None:
        """Return None if it is proven that nothing was bought."""
        readable = rows.read_back and not rows.unreadable and not unclear
        if readable and (self.complete or self._is_current(order, record, rows)):
            self.recovery.log.info("The queue's list shows no request of this order: nothing was bought.")
            return None
        if record.searched_since is None:
            record = record.searching(now=self.recovery.now(), queue_now=self.recovery.queue.queue_time())
            self.recovery.ledger_access.write(record)
        left = self._left(record)
        if left > 0:
            raise SubmitLater(
                max(1.0, min(LOOK_LATER, left)),
                "The ledger has forgotten what this task has bought; the queue's list does not tell it yet.",
            )
        if self.recovery.on_unresolved is OnUnresolved.RESUBMIT:
            self.recovery.log.warning(
                "It is not known whether this task has bought the clip before the clear. Submitting, as"
                " `on_unresolved` asks: this may buy the clip twice."
            )
            return None
        raise self._unresolved(unclear, "may be it" if unclear else "")

    def _is_current(self, order: Order, record: SubmissionRecord, rows: Rows) -> bool:
        """Return whether the list would show whatever an earlier try may have bought."""
        until = self._window(record).until
        younger = any(
            row.created_at is not None and row.created_at > until and may_be_of_model(row, order.model)
            for row in rows.requests.values()
        )
        return younger and rows.current

    def _left(self, record: SubmissionRecord) -> float:
        """Return the seconds until the grace of the search is over."""
        total = SUBMIT_TIMEOUTS.total + self.recovery.grace
        queue_now = self.recovery.queue.queue_time()
        if queue_now is not None and record.queue_searched_since is not None:
            return record.queue_searched_since + total - queue_now
        return (record.searched_since or 0.0) + total - self.recovery.now()

    def _unresolved(self, rows: list[Request], why: str) -> UnresolvedSubmission:
        which = f" Requests {names(rows)} {why}." if rows else ""
        return UnresolvedSubmission(
            "The ledger has forgotten what this task has bought, because the task was cleared, and the"
            f" queue's list since {clock(self.memory.since)} does not tell it.{which} Nothing was sent now.",
            todo="Look for the request in the GMI Cloud console. If it exists, set `adopt_request_id` to its"
            ' id. If you want a new clip in any case, set `on_clear="buy"` or another `take`. Then clear this'
            " task.",
        )
