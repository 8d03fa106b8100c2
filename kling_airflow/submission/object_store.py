"""The ledger in a folder of an object store: it outlives clears, purges and Airflow itself.

No file in it is ever changed. An order's record is the last entry of the order's journal; a claim is a file
of its own. If a file exists already, another writer has written it, and that is the fence.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from kling_airflow.errors import Fenced, InvalidArgument, UnreadableRecord
from kling_airflow.submission.claims import Claims
from kling_airflow.submission.exclusive_store import Store, open_store
from kling_airflow.submission.journal import Journal, JournalEntry, entry_file
from kling_airflow.submission.record import SubmissionRecord, clock
from kling_airflow.submission.task_key import TaskKey

PROVEN: Final[set[tuple[object, str]]] = set()
"""The stores and places that this process has seen to create exclusively."""
_proving: Final = threading.Lock()
_MAP_INDEX: Final = re.compile(r"\.(\d{1,9})(?:\.(?:loop|shot)-[A-Za-z0-9_-]*){0,2}$")


class ObjectStoreLedger:
    """Keeps the records of one task instance, as one of its tries sees them.

    A ledger has read entry N of an order's journal, and writes entry N+1 or nothing. If another writer has
    written N+1 meanwhile, this try is over: it may go on reading, but never writes again.

    :param root: the ledger's folder: a ``pathlib.Path``, ``UPath`` or Airflow's ``ObjectStoragePath``.
    :param key: the task instance.
    :param deployment: the deployment's name, so that dev and prod never meet.
    :param by: the writer's name for people: "try 2".
    :param now: the clock, in Unix seconds.
    :raises InvalidArgument: for a store that can't hold a ledger, or a malformed deployment.
    """

    def __init__(
        self,
        root: Any,
        key: TaskKey,
        *,
        deployment: str,
        by: str = "a try",
        now: Callable[[], float] = time.time,
    ) -> None:
        self.key = key
        self.shares_siblings = True
        self.journal = Journal(open_store(root), deployment)
        self.claims = Claims(self.journal.store)
        self._by = by
        self._now = now
        self._writer = secrets.token_hex(12)
        self._last_read: dict[str, int] = {}

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record as it is now; None if there surely is no record.

        :raises UnreadableRecord: if there is a record that can't be read; also if there was one, and it is
            gone.
        :raises LedgerUnavailable: if the store gives no answer.
        :raises InvalidArgument: if the store doesn't create files exclusively.
        """
        self._prove()
        order, folder = self._place(fingerprint, take)
        last = self.journal.last(folder)
        if last < self._last_read.get(order, 0):
            raise UnreadableRecord(
                f"{self.journal.store.uri}/{folder} had {self._last_read[order]} entries, and has {last} now"
            )
        entry = self.journal.read(folder, last) if last else None
        self._last_read.setdefault(order, last)
        return None if entry is None else entry.record

    def write(self, record: SubmissionRecord) -> None:
        """Write the record as the next entry, exclusively.

        :raises Fenced: if another writer has written since this ledger first read or wrote the order.
        :raises LedgerUnavailable: if it is unknown whether the entry was written. Writing again is safe.
        :raises InvalidArgument: if the store doesn't create files exclusively.
        """
        self._prove()
        order, folder = self._place(record.fingerprint, record.take)
        while True:
            number = self._last_read.setdefault(order, 0) + 1
            entry = JournalEntry(self.key, record, number, self._writer, self._by, self._now())
            if self.journal.append(folder, entry):
                self._last_read[order] = number
                return
            self._last_read[order] = self._own(folder, number)

    def records(self) -> list[SubmissionRecord]:
        """Return the records of all orders of this task instance.

        :raises UnreadableRecord: if there is a record that can't be read.
        :raises LedgerUnavailable: if the store gives no answer.
        """
        entries = self._entries(self.journal.task_folder(self.key))
        # Two tasks can share a folder, because their names look the same there.
        return [entry.record for entry in entries if entry.task_key == self.key]

    def begin(self, *, complete: bool) -> bool:
        """Return True: a clear does not touch the folder."""
        return True

    def owner(self, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim: it tells identical orders of two tasks apart."""
        return self.journal.owner(self.key, fingerprint, take)

    def claim(self, request_id: str, owner: str) -> bool:
        """Claim a request for an order, so that all deployments that share this folder see it.

        :param owner: the order's name in claims, see :meth:`owner`.
        :return: True if the request is this order's, now or already; False if it is another order's.
        :raises LedgerUnavailable: if it is unknown whether it was claimed. Claiming again is safe.
        """
        self._prove()
        return self.claims.claim(request_id, owner)

    def siblings(self, fingerprint: str, take: int) -> list[tuple[TaskKey, SubmissionRecord]]:
        """Return the records of the same order that other mapped instances of this task and run hold.

        :raises UnreadableRecord: if there is a record that can't be read.
        :raises LedgerUnavailable: if the store gives no answer.
        """
        if self.key.map_index < 0:
            return []
        run = self.journal.task_folder(self.key).rpartition("/")[0]
        found = []
        for name in self.journal.store.names(run):
            match = _MAP_INDEX.search(name)
            sibling = self.key.sibling(int(match[1]) if match else -1)
            if sibling == self.key or self.journal.task_folder(sibling) != f"{run}/{name}":
                continue
            order = self.journal.folder(sibling, sibling.order(fingerprint, take))
            if last := self.journal.last(order):
                found.append((sibling, self.journal.read(order, last).record))
        return found

    def take_over(self, request_id: str, sibling: TaskKey, fingerprint: str, take: int) -> bool:
        """Move the claim on a request from a sibling's order to the same order of this task instance.

        :raises LedgerUnavailable: if it is unknown whether the claim was moved. Asking again is safe.
        """
        earlier = self.journal.owner(sibling, fingerprint, take)
        return self.claims.take_over(request_id, earlier, self.owner(fingerprint, take))

    def _prove(self) -> None:
        prove(self.journal.store, self.journal.deployment)

    def _place(self, fingerprint: str, take: int) -> tuple[str, str]:
        order = self.key.order(fingerprint, take)
        return order, self.journal.folder(self.key, order)

    def _entries(self, task_folder: str) -> list[JournalEntry]:
        """Return the last entry of each order in a task's folder."""
        folders = [f"{task_folder}/{order}" for order in self.journal.store.names(task_folder)]
        return [self.journal.read(folder, last) for folder in folders if (last := self.journal.last(folder))]

    def _own(self, folder: str, number: int) -> int:
        """Return the number of an entry that exists, if an earlier attempt of this ledger wrote it unnoticed.

        :raises Fenced: if another writer wrote it.
        """
        try:
            entry = self.journal.read(folder, number)
        except UnreadableRecord:
            what = "unreadable"
        else:
            if entry.writer == self._writer:
                return number
            what = f"`{entry.record.state}`, by {entry.by}, at {clock(entry.at)}"
        raise Fenced(
            "Another try of this task has written to the ledger meanwhile:"
            f" {self.journal.store.uri}/{entry_file(folder, number)} ({what}). This try sends nothing"
            " more; the next one goes by what stands there."
        )


def prove(store: Store, deployment: str) -> None:
    """Check once per process and place that a store really creates exclusively, before money depends on it.

    The check creates the same file twice, with different content. The file stays, so that the next process
    needs one refused call and one read.

    :raises InvalidArgument: if the second file replaced the first.
    :raises LedgerUnavailable: if the store gives no answer, or refuses the calls.
    """
    place = (getattr(store, "fs", "file"), f"{store.uri}/{deployment}")
    with _proving:
        if place in PROVEN:
            return
        file = f"{deployment}/exclusive-create"
        if store.create(file, _trial()) and store.create(file, _trial()):
            raise InvalidArgument(
                f"`ledger` is {store.uri}, and that store replaced a file that was to be created only if"
                " there is none: two tries could both believe that they may send.",
                todo="Use a store with conditional writes: Amazon S3, Google Cloud Storage, Azure Blob"
                " Storage, a recent MinIO, or a local folder.",
            )
        PROVEN.add(place)


def _trial() -> bytes:
    nonce = secrets.token_hex(8)
    return f"This file tests whether the store creates files exclusively. Keep it. {nonce}\n".encode()
