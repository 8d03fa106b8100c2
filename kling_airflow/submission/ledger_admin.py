"""All orders of a deployment's ledger, for people: looked at, and put right by hand.

What a person decides is appended like everything else, as the order's next step. A try that runs meanwhile
finds its number taken, and sends nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from kling_airflow.errors import Fenced, InvalidArgument, UnreadableRecord
from kling_airflow.submission.exclusive_store import open_store
from kling_airflow.submission.journal import Journal, JournalEntry, numbers
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import slug

_READERS: Final = 8
_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One order in the ledger.

    :param folder: its folder's key.
    :param numbers: of its steps, ascending.
    """

    folder: str
    numbers: tuple[int, ...]

    @property
    def order(self) -> str:
        """The order's id."""
        return self.folder.rpartition("/")[2]

    @property
    def place(self) -> str:
        """Dag, run and task as the folder shows them: all that is known where no step can be read."""
        return "/".join(self.folder.split("/")[-4:-1])


class LedgerAdmin:
    """The orders of one deployment.

    :param root: where the ledger is: a ``pathlib.Path``, ``UPath`` or Airflow's ``ObjectStoragePath``.
    :param deployment: which deployment's.
    :param by: who writes, for people who read the ledger.
    :raises InvalidArgument: for a store that can't hold a ledger, or a deployment that isn't in it.
    """

    def __init__(
        self, root: Any, deployment: str, *, by: str = "a person", now: Callable[[], float] = time.time
    ) -> None:
        self.steps = Journal(open_store(root), deployment)
        self.by = by
        self.now = now
        there = sorted(self.steps.store.names())
        if deployment not in there:
            others = f"there are {', '.join(there)}" if there else "there is nothing"
            raise InvalidArgument(
                f"{self.steps.store.uri} has no deployment `{deployment}`; {others}.",
                todo="Name the ledger's folder and the deployment as the tasks do.",
            )

    def all(self, dag_id: str | None = None) -> list[Entry]:
        """Return every order, those of one DAG, in the order of their names.

        :param dag_id: of a DAG; orders of DAGs whose name looks the same may be among them.
        :raises LedgerUnavailable: if the store doesn't say.
        """
        folder = f"{self.steps.deployment}/orders" + ("" if dag_id is None else f"/{slug(dag_id)}")
        found: dict[str, list[int]] = {}
        for key in self.steps.store.keys(folder):
            parent, _, name = key.rpartition("/")
            if number := numbers([name]):
                found.setdefault(parent, []).extend(number)
        return [Entry(parent, tuple(sorted(found[parent]))) for parent in sorted(found)]

    def find(self, order: str) -> Entry:
        """Return the order whose id begins so.

        :param order: 4 to 32 hex digits.
        :raises InvalidArgument: if none does, or more than one.
        """
        if not _PREFIX.fullmatch(order):
            raise InvalidArgument(
                f"{order!r} is no order; an order's id is 32 hex digits, of which the first 4 may be enough.",
                todo="`kling-airflow ledger list` shows them.",
            )
        found = [entry for entry in self.all() if entry.order.startswith(order)]
        if len(found) != 1:
            several = ", ".join(entry.order for entry in found[:5])
            raise InvalidArgument(
                f"{len(found)} orders begin with {order}: {several}."
                if found
                else f"No order begins with {order}.",
                todo="`kling-airflow ledger list` shows them.",
            )
        return found[0]

    def last(self, entries: list[Entry]) -> list[JournalEntry | UnreadableRecord]:
        """Return the last step of each, or why it can't be read."""
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(lambda entry: self._try(entry, entry.numbers[-1]), entries))

    def history(self, entry: Entry) -> list[JournalEntry | UnreadableRecord]:
        """Return each step of an order, or why it can't be read."""
        return [self._try(entry, number) for number in entry.numbers]

    def adopt(self, entry: Entry, request_id: str) -> JournalEntry:
        """Make a request an order's own, on a person's word: its task finds it on its next try.

        :raises InvalidArgument: if the order has another request, or the request another order.
        :raises UnreadableRecord: if the order can't be read.
        :raises Fenced: if a try has written meanwhile.
        """
        if not _REQUEST_ID.fullmatch(request_id):
            raise InvalidArgument(f"{request_id!r} is no request id.", todo="The GMI Cloud console shows it.")
        last = self.steps.read(entry.folder, entry.numbers[-1])
        record = last.record
        if _has_request(record):
            if record.request_id == request_id:
                return last
            raise InvalidArgument(
                f"The order has the request {record.request_id} already, which is paid for if it succeeds.",
                todo="`kling-airflow ledger forget` it first if it is surely not wanted.",
            )
        if not self.steps.claim(request_id, last.scope.owner(record.fingerprint, record.take)):
            raise InvalidArgument(
                f"The request {request_id} belongs to another: {self.steps.claimed_by(request_id)}.",
                todo="A request can be one order's only. Nothing was written.",
            )
        adopted = record.submitted(request_id, now=0.0)
        return self._append(entry, last, replace(adopted, submitted_at=record.sent_at))

    def forget(self, entry: Entry, reason: str) -> JournalEntry:
        """Let an order's task submit anew, with a new marker. What it has bought stays bought.

        :param reason: for people who read the ledger.
        :raises UnreadableRecord: if the order can't be read.
        :raises Fenced: if a try has written meanwhile.
        """
        last = self.steps.read(entry.folder, entry.numbers[-1])
        record = last.record
        what = f" (it was `{record.state}`, request {record.request_id or 'unknown'})"
        fresh = SubmissionRecord(
            record.fingerprint,
            record.take,
            record.model,
            State.NOT_SENT,
            posts=record.posts,
            sent_at=record.sent_at,
            earlier=record.earlier,
            reason=f"forgotten: {reason}{what}",
        )
        return self._append(entry, last, fresh)

    def _append(self, entry: Entry, last: JournalEntry, record: SubmissionRecord) -> JournalEntry:
        # A command is its own writer: what it finds at its number is never its own.
        step = replace(
            last, record=record, number=last.number + 1, writer=f"{self.now():.6f}", by=self.by, at=self.now()
        )
        if not self.steps.append(entry.folder, step):
            raise Fenced(
                "A try of the task has written to this order meanwhile; nothing was changed. Look again."
            )
        return step

    def _try(self, entry: Entry, number: int) -> JournalEntry | UnreadableRecord:
        try:
            return self.steps.read(entry.folder, number)
        except UnreadableRecord as error:
            return error


def _has_request(record: SubmissionRecord) -> bool:
    return record.state is State.SUBMITTED
