"""The steps of a submission, in the order that keeps money safe.

What is about to happen is written down before it happens, and what has happened right after.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from kling_airflow.gmi.call import SUBMIT_TIMEOUTS
from kling_airflow.gmi.errors import (
    AmbiguousSubmission,
    GMIError,
    Money,
    NotAccepted,
    Unreachable,
    UnresolvedSubmission,
)
from kling_airflow.gmi.record import Request, Status
from kling_airflow.submission.ledger import Ledger
from kling_airflow.submission.record import State, SubmissionRecord, UnreadableRecord

WRITE_PATIENCE: Final = 60.0
"""Seconds in which an accepted submission must have been written down."""
PAUSE_MAX: Final = 60.0
"""Seconds of the longest pause that a worker sits out before it sends again."""
_FIRST_PAUSE = 2.0


class Queue(Protocol):
    """What a submission needs of a client."""

    def submit(self, model: str, payload: Mapping[str, Any]) -> Request:
        """Send one submission, once."""
        ...

    def get(self, request_id: str) -> Request:
        """Return a request as it stands."""
        ...


class Log(Protocol):
    """Where each step is told to a person on call: a task's logger, or any of ``logging``'s."""

    def info(self, message: str, /, *args: Any) -> Any:
        """Tell what went well."""
        ...

    def warning(self, message: str, /, *args: Any) -> Any:
        """Tell what went wrong and was mended."""
        ...

    def error(self, message: str, /, *args: Any) -> Any:
        """Tell what a person should look at."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """Frames brought to where the queue can read them.

    :param payload: the whole payload to send.
    :param marker: what makes the request recognizable in the queue's list; None where nothing does.
    :param frames: the addresses of uploaded frames by field, to be used again by a repeated POST.
    """

    payload: Mapping[str, Any] = field(repr=False)
    marker: str | None = None
    frames: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    :param model: the model's id.
    :param fingerprint: tells it from any other order.
    :param take: which take of it, 1 for the first.
    :param deliver: brings the frames to the queue; given the last delivery's marker and addresses, it
        makes the same again.
    """

    model: str
    fingerprint: str
    take: int
    deliver: Callable[[str | None, Mapping[str, str]], Delivery]


@dataclass(frozen=True, slots=True)
class Submitted:
    """A request that the queue has, and that the ledger knows.

    :param request_id: the queue's id.
    :param fresh: whether it was bought just now; False for one found again.
    """

    request_id: str
    fresh: bool


class Submitter:
    """Submits orders, each at most once.

    :param client: the queue.
    :param ledger: where records are kept.
    :param log: where each step is told to a person on call.
    :param patience: seconds to keep trying while the queue says "not now".
    :param now: the clock, in Unix seconds.
    :param sleep: how to wait.
    """

    def __init__(
        self,
        client: Queue,
        ledger: Ledger,
        log: Log,
        *,
        patience: float,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.client = client
        self.ledger = ledger
        self.log = log
        self.patience = patience
        self.now = now
        self.sleep = sleep

    def submit(self, order: Order) -> Submitted:
        """Return the order's request: the one it already has, or a new one.

        :raises NotAccepted: the queue kept saying "not now"; nothing was bought.
        :raises Rejected: refused for good, as are ``NotFound``, ``Unauthorized``, ``InsufficientCredits``.
        :raises AmbiguousSubmission: the answer was lost.
        :raises UnresolvedSubmission: an earlier answer was lost, or the record can't be read.
        """
        record = self._read(order)
        match record:
            case SubmissionRecord(state=State.SENDING):
                raise self._unresolved(record)
            case SubmissionRecord(state=State.SUBMITTED | State.FINISHED):
                return self._reattach(record) or self._send(order, record)
            case _:
                return self._send(order, record)

    def _read(self, order: Order) -> SubmissionRecord:
        try:
            record = self.ledger.read(order.fingerprint, order.take)
        except UnreadableRecord as error:
            raise UnresolvedSubmission(
                str(error), todo="Nothing was sent. Use the release of this package that wrote it."
            ) from error
        if record is not None:
            return record
        return SubmissionRecord(order.fingerprint, order.take, order.model, State.NOT_SENT)

    def _reattach(self, record: SubmissionRecord) -> Submitted | None:
        """Return the request that was paid for; None where it has failed, which isn't billed."""
        request_id = record.request_id or ""
        try:
            request = self.client.get(request_id)
        except Unreachable as error:
            # Its id is known, and whoever waits for it can ask as well as we can.
            self.log.warning("Re-attached to request %s unseen: %s", request_id, error.what)
            return Submitted(request_id, fresh=False)
        if request.status in {Status.FAILED, Status.CANCELLED}:
            why = request.outcome.error or "no reason given"
            self.log.info(
                "Request %s of an earlier try is %s (%s) and not billed: submitting anew.",
                request_id,
                request.status,
                why,
            )
            return None
        self.log.info(
            "Re-attached to request %s, which is %s: nothing was bought.", request_id, request.status
        )
        return Submitted(request_id, fresh=False)

    def _send(self, order: Order, record: SubmissionRecord) -> Submitted:
        delivery = order.deliver(record.marker, record.frames)
        until = self.now() + self.patience
        while True:
            record = record.sending(
                now=self.now(),
                within=SUBMIT_TIMEOUTS.total,
                marker=delivery.marker,
                frames=delivery.frames,
            )
            self.ledger.write(record)
            try:
                request = self.client.submit(order.model, delivery.payload)
            except AmbiguousSubmission as error:
                self.log.warning("%s The record stays `sending` (marker %s).", error.what, record.marker)
                raise
            except NotAccepted as error:
                record = record.not_sent(error.what)
                self.ledger.write(record)
                self._pause(error, record.posts, until)
            except GMIError as error:
                self.ledger.write(record.not_sent(error.what))
                raise
            else:
                return self._accepted(record, request.request_id)

    def _pause(self, error: NotAccepted, posts: int, until: float) -> None:
        """Wait as told, or a little longer each time; give up where the wait would outlast the patience."""
        backoff = random.uniform(0.5, 1.0) * _FIRST_PAUSE * 2 ** min(posts - 1, 10)  # noqa: S311 -- jitter
        pause = max(min(backoff, PAUSE_MAX), error.retry_after or 0.0)
        if pause > PAUSE_MAX or self.now() + pause > until:
            raise error
        self.log.info("%s Sending again in %.0f s.", error.what, pause)
        self.sleep(pause)

    def _accepted(self, record: SubmissionRecord, request_id: str) -> Submitted:
        """Write the id down. Until that is done the log is the only place that has it."""
        self.log.info("Submitted: request %s (marker %s).", request_id, record.marker)
        record = record.submitted(request_id, now=self.now())
        until = self.now() + WRITE_PATIENCE
        while True:
            try:
                self.ledger.write(record)
            except Exception as error:
                if self.now() >= until:
                    raise UnresolvedSubmission(
                        f"Request {request_id} was submitted, but its id could not be written down:"
                        f" {type(error).__name__}: {error}.",
                        money=Money.HELD,
                        todo=f"Note the id {request_id}; the ledger still says `sending`.",
                        request_id=request_id,
                    ) from error
                self.log.warning("Request %s could not be written down yet: %s", request_id, error)
                self.sleep(2.0)
            else:
                return Submitted(request_id, fresh=True)

    def _unresolved(self, record: SubmissionRecord) -> UnresolvedSubmission:
        sent = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(record.sent_at or 0.0))
        return UnresolvedSubmission(
            f"A submission left at {sent}, and its answer was lost (marker {record.marker}).",
            todo="Look in the queue's list for a request that carries the marker. Is it there, use its id;"
            " is it surely not, set another `take` to submit anew.",
        )
