"""Finds a clip that another mapped instance of the same task and run has bought.

If the upstream list of a mapped task comes in another order after a clear, each instance asks for what
another one has bought. In a ledger that all instances share, the claim on the request then moves.
"""

from __future__ import annotations

from kling_airflow.gmi.request import Status
from kling_airflow.submission.lost_memory import LostMemory
from kling_airflow.submission.order import Order, Submitted
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.recover import Recovery


class MappedSiblings:
    """The other mapped instances of a task, as far as the ledger shows them.

    :param recovery: the queue, the ledger and the log of the submission.
    :param memory: what is known of the task instance; None for a first try, which looks at no sibling.
    """

    def __init__(self, recovery: Recovery, memory: LostMemory | None) -> None:
        self.recovery = recovery
        self.access = recovery.ledger_access
        self.memory = memory if memory is not None and memory.cleared else None

    def has_taken_over(self, order: Order, record: SubmissionRecord) -> bool:
        """Return whether another instance took over the request that a record names."""
        if self.memory is None or not self._shared or record.request_id is None:
            return False
        return self.access.claim(record.request_id, order) is False

    def find(self, order: Order, record: SubmissionRecord) -> Submitted | None:
        """Return the request that another instance has bought for the same order, and take it over.

        :param record: the order's own record, without a request.
        :raises SubmitLater: if the other instance's request is still looked for.
        :raises UnresolvedSubmission: if that request was neither found nor ruled out.
        """
        if self.memory is None or not self._shared:
            return None
        for sibling, theirs in self.access.siblings(order):
            if theirs.state is State.SENDING:
                if self.access.recall(order.fingerprint, order.take) is None:
                    self.access.write(record)  # the try that comes back must find that this one was here
                found = self.recovery.resolve(order, theirs)
                if found is not None:
                    return found
            if theirs.request_id is None or theirs.request_id in self.memory.claimed:
                continue
            request = self.recovery.ask(order.model, theirs.request_id)
            if request.status in {Status.FAILED, Status.CANCELLED}:
                continue
            if self.access.take_over(theirs.request_id, sibling, order):
                return self.recovery.store(record, request, f"{sibling.task} bought it for the same order")
        return None

    @property
    def _shared(self) -> bool:
        ledger = self.access.ledger
        return ledger.shares_siblings and ledger.key.map_index >= 0
