"""Where records are kept: the interface, and the ledger that forgets."""

from __future__ import annotations

from typing import Protocol

from kling_airflow.submission.record import SubmissionRecord


class Ledger(Protocol):
    """Keeps one record for each order of one task instance."""

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record, or None where there surely is none.

        :raises UnreadableRecord: if there is one that can't be read. Unreadable is not absent.
        """
        ...

    def write(self, record: SubmissionRecord) -> None:
        """Keep a record in place of the last. If this raises, nothing may be sent."""
        ...

    def records(self) -> list[SubmissionRecord]:
        """Return the records of all orders of this task instance.

        :raises UnreadableRecord: if there is one that can't be read.
        """
        ...

    def owner(self, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim: the same in every try, another's in every other."""
        ...

    def claim(self, request_id: str, owner: str) -> bool | None:
        """Make a request this order's own, for all tasks to see.

        :param owner: what :meth:`owner` names it.
        :return: True where it is this order's, now or already; False where it is another's; None where
            this kind of ledger can't tell.
        """
        ...


class MemoryLedger:
    """Keeps records as long as it lives: for scripts, tests, and operators with ``durable=False``."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, int], SubmissionRecord] = {}
        self.claims: dict[str, str] = {}

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record, or None where there is none."""
        return self.kept.get((fingerprint, take))

    def write(self, record: SubmissionRecord) -> None:
        """Keep a record."""
        self.kept[record.fingerprint, record.take] = record

    def records(self) -> list[SubmissionRecord]:
        """Return the records of all orders."""
        return list(self.kept.values())

    def owner(self, fingerprint: str, take: int) -> str:
        """Return the text that names an order in a claim."""
        return f"{fingerprint}-{take}"

    def claim(self, request_id: str, owner: str) -> bool:
        """Make a request this order's own, as far as this process knows."""
        return self.claims.setdefault(request_id, owner) == owner
