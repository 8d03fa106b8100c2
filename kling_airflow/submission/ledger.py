"""The interface of a ledger, and the ledger that lives in memory."""

from __future__ import annotations

import secrets
from typing import Protocol

from kling_airflow.submission.record import SubmissionRecord
from kling_airflow.submission.task_key import TaskKey


class Ledger(Protocol):
    """Keeps one record for each order of one task instance."""

    @property
    def shares_siblings(self) -> bool:
        """Whether the ledger shows the records of the other mapped instances of the task."""
        ...

    @property
    def key(self) -> TaskKey:
        """The task instance whose orders the ledger keeps."""
        ...

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record; None if there surely is no record.

        :raises UnreadableRecord: if there is a record that can't be read. Unreadable is not absent.
        """
        ...

    def write(self, record: SubmissionRecord) -> None:
        """Keep a record in place of the last one. If this raises, nothing may be sent."""
        ...

    def records(self) -> list[SubmissionRecord]:
        """Return the records of all orders of this task instance.

        :raises UnreadableRecord: if there is a record that can't be read.
        """
        ...

    def begin(self, *, complete: bool) -> bool:
        """Note that the task instance has begun; return whether the ledger remembers all its tries.

        :param complete: whether this is the first try, so that there is nothing to remember yet.
        :return: what the first caller said; True for a ledger that is never discarded.
        """
        ...

    def owner(self, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim: the same in every try, never that of another."""
        ...

    def claim(self, request_id: str, owner: str) -> bool | None:
        """Claim a request for an order, so that all tasks see it.

        :param owner: the order's name in claims, see :meth:`owner`.
        :return: True if the request is this order's, now or already; False if it is another order's; None
            if this kind of ledger can't tell.
        """
        ...

    def siblings(self, fingerprint: str, take: int) -> list[tuple[TaskKey, SubmissionRecord]]:
        """Return the records of the same order that other mapped instances of this task and run hold.

        :raises UnreadableRecord: if there is a record that can't be read.
        """
        ...

    def take_over(self, request_id: str, sibling: TaskKey, fingerprint: str, take: int) -> bool:
        """Move the claim on a request from a sibling's order to the same order of this task instance.

        :return: whether the request is this task instance's now.
        """
        ...


class MemoryLedger:
    """Keeps records as long as the process lives: for scripts, tests, and tasks with ``durable=False``.

    :param key: the task instance; by default one of its own, which no other process has.
    """

    def __init__(self, key: TaskKey | None = None) -> None:
        self.shares_siblings = False
        self.key = key or TaskKey("memory", secrets.token_hex(16), "memory")
        self.kept: dict[tuple[str, int], SubmissionRecord] = {}
        self.claims: dict[str, str] = {}

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record; None if there is no record."""
        return self.kept.get((fingerprint, take))

    def write(self, record: SubmissionRecord) -> None:
        """Keep a record."""
        self.kept[record.fingerprint, record.take] = record

    def records(self) -> list[SubmissionRecord]:
        """Return the records of all orders."""
        return list(self.kept.values())

    def begin(self, *, complete: bool) -> bool:
        """Return True: a process that ends takes its task with it."""
        return True

    def owner(self, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim."""
        return f"{fingerprint}-{take}"

    def claim(self, request_id: str, owner: str) -> bool:
        """Claim a request for an order; only this ledger sees it."""
        return self.claims.setdefault(request_id, owner) == owner

    def siblings(self, fingerprint: str, take: int) -> list[tuple[TaskKey, SubmissionRecord]]:
        """Return nothing: the ledger holds one task instance."""
        return []

    def take_over(self, request_id: str, sibling: TaskKey, fingerprint: str, take: int) -> bool:
        """Return False: the ledger holds one task instance."""
        return False
