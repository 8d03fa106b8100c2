"""The ledger over a folder of an object store: it outlives clears, purges and Airflow itself.

Nothing in it is ever changed: an order's record is the last of its numbered files, and a claim is a file
of its own. A file that exists is another's, and that is the fence.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from kling_airflow.errors import Fenced, InvalidArgument, UnreadableRecord
from kling_airflow.submission.exclusive_store import Store, open_store
from kling_airflow.submission.journal import Journal, JournalEntry, step_key
from kling_airflow.submission.record import SubmissionRecord, clock
from kling_airflow.submission.task_key import TaskKey

_proven: Final[set[tuple[object, str]]] = set()
_proving: Final = threading.Lock()


class ObjectStoreLedger:
    """Keeps the records of one task instance, as one of its tries sees them.

    A ledger has read the number N of an order, and writes N+1 or nothing. Whoever else has written
    meanwhile owns that number, and then this try is over: it may go on reading, but never writes again.

    :param root: where the ledger is: a ``pathlib.Path``, ``UPath`` or Airflow's ``ObjectStoragePath``.
    :param scope: the task instance.
    :param deployment: names the deployment, so that dev and prod never meet.
    :param by: who writes, for people who read the ledger: "try 2".
    :param now: the clock, in Unix seconds.
    :raises InvalidArgument: for a store that can't hold a ledger, or a malformed deployment.
    """

    def __init__(
        self,
        root: Any,
        scope: TaskKey,
        *,
        deployment: str,
        by: str = "a try",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._steps = Journal(open_store(root), deployment)
        self._scope = scope
        self._by = by
        self._now = now
        self._writer = secrets.token_hex(12)
        self._at: dict[str, int] = {}

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record as it is now, or None where there surely is none.

        :raises UnreadableRecord: if there is one that can't be read; also if one was there and is gone.
        :raises LedgerUnavailable: if the store doesn't say.
        :raises InvalidArgument: if the store doesn't create files exclusively.
        """
        prove(self._steps.store, self._steps.deployment)
        order, folder = self._place(fingerprint, take)
        last = self._steps.last(folder)
        if last < self._at.get(order, 0):
            raise UnreadableRecord(
                f"{self._steps.store.uri}/{folder} had {self._at[order]} steps, and has {last} now"
            )
        step = self._steps.read(folder, last) if last else None
        self._at.setdefault(order, last)
        return None if step is None else step.record

    def write(self, record: SubmissionRecord) -> None:
        """Write the record's next step, exclusively.

        :raises Fenced: if another try has written since this ledger first read, or tried to write, the order.
        :raises LedgerUnavailable: if nobody knows whether it was written. Writing again is safe.
        :raises InvalidArgument: if the store doesn't create files exclusively.
        """
        prove(self._steps.store, self._steps.deployment)
        order, folder = self._place(record.fingerprint, record.take)
        while True:
            number = self._at.setdefault(order, 0) + 1
            step = JournalEntry(self._scope, record, number, self._writer, self._by, self._now())
            if self._steps.append(folder, step):
                self._at[order] = number
                return
            self._at[order] = self._own(folder, number)

    def records(self) -> list[SubmissionRecord]:
        """Return the records of all orders of this task instance.

        :raises UnreadableRecord: if there is one that can't be read.
        :raises LedgerUnavailable: if the store doesn't say.
        """
        found = []
        task = self._steps.task_folder(self._scope)
        for order in self._steps.store.names(task):
            last = self._steps.last(f"{task}/{order}")
            step = self._steps.read(f"{task}/{order}", last) if last else None
            if step is not None and step.scope == self._scope:  # another's name may look the same
                found.append(step.record)
        return found

    def owner(self, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim: it tells identical orders of two tasks apart."""
        return self._scope.owner(fingerprint, take)

    def claim(self, request_id: str, owner: str) -> bool:
        """Make a request the owner's, for every task of this deployment to see.

        :param owner: names the order; :meth:`owner` does.
        :return: True where it is the owner's, now or already; False where it is another's.
        :raises LedgerUnavailable: if nobody knows whether it was claimed. Claiming again is safe.
        """
        prove(self._steps.store, self._steps.deployment)
        return self._steps.claim(request_id, owner)

    def _place(self, fingerprint: str, take: int) -> tuple[str, str]:
        order = self._scope.order(fingerprint, take)
        return order, self._steps.folder(self._scope, order)

    def _own(self, folder: str, number: int) -> int:
        """Return the number of a step that exists, if an earlier attempt of ours wrote it unnoticed.

        :raises Fenced: if it is another's.
        """
        try:
            step = self._steps.read(folder, number)
        except UnreadableRecord:
            what = "unreadable"
        else:
            if step.writer == self._writer:
                return number
            what = f"`{step.record.state}`, by {step.by}, at {clock(step.at)}"
        raise Fenced(
            "Another try of this task has written to the ledger meanwhile:"
            f" {self._steps.store.uri}/{step_key(folder, number)} ({what}). This try sends nothing anymore;"
            " the next one goes by what stands there."
        )


def prove(store: Store, deployment: str) -> None:
    """See that a store really creates exclusively, once per process and place, before money rests on it.

    It tries to create the same file twice, with different content. The file stays, so that the next process
    needs one refused call and one read.

    :raises InvalidArgument: if the second one replaced the first.
    :raises LedgerUnavailable: if the store can't be asked, or refuses us.
    """
    place = (getattr(store, "fs", "file"), f"{store.uri}/{deployment}")
    with _proving:
        if place in _proven:
            return
        key = f"{deployment}/exclusive-create"
        if store.create(key, _trial()) and store.create(key, _trial()):
            raise InvalidArgument(
                f"`ledger` is {store.uri}, and that store replaced a file that was to be created only where"
                " there is none: two tries could both believe that they may send.",
                todo="Use a store with conditional writes: Amazon S3, Google Cloud Storage, Azure Blob"
                " Storage, a recent MinIO, or a local folder.",
            )
        _proven.add(place)


def _trial() -> bytes:
    return (
        f"Of the trial that this store creates files exclusively. Keep it. {secrets.token_hex(8)}\n".encode()
    )
