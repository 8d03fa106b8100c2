"""All orders of a deployment's ledger, for people: to look at, and to correct by hand.

What a person decides is appended like everything else, as the next entry of the order's journal. A try that
runs meanwhile finds its number taken, and sends nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

from kling_airflow.errors import Fenced, InvalidArgument, UnreadableRecord
from kling_airflow.submission.claims import Claims
from kling_airflow.submission.exclusive_store import open_store
from kling_airflow.submission.journal import Journal, JournalEntry, numbers
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import slug

_READERS: Final = 8
_PREFIX: Final = re.compile(r"[0-9a-f]{4,32}")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass(frozen=True, slots=True)
class LedgerOrder:
    """One order in the ledger.

    :param folder: the store's key of its folder.
    :param numbers: the numbers of its journal's entries, ascending.
    """

    folder: str
    numbers: tuple[int, ...]

    @property
    def order(self) -> str:
        """The order's id."""
        return self.folder.rpartition("/")[2]

    @property
    def place(self) -> str:
        """Dag, run and task as the folder shows them: all that is known if no entry can be read."""
        return "/".join(self.folder.split("/")[-4:-1])


class LedgerAdmin:
    """The orders of one deployment.

    :param root: the ledger's folder: a ``pathlib.Path``, ``UPath`` or Airflow's ``ObjectStoragePath``.
    :param deployment: the deployment's name.
    :param by: the writer's name, for people who read the ledger.
    :param now: the clock, in Unix seconds.
    :raises InvalidArgument: for a store that can't hold a ledger, or a deployment that isn't in it.
    """

    def __init__(
        self, root: Any, deployment: str, *, by: str = "a person", now: Callable[[], float] = time.time
    ) -> None:
        self.journal = Journal(open_store(root), deployment)
        self.claims = Claims(self.journal.store)
        self.by = by
        self.now = now
        # A deployment's name begins with a letter or a digit: `_claims` and `_triggerers` are none.
        there = sorted(name for name in self.journal.store.names() if not name.startswith("_"))
        if deployment not in there:
            others = f"there are {', '.join(there)}" if there else "there is nothing"
            raise InvalidArgument(
                f"{self.journal.store.uri} has no deployment `{deployment}`; {others}.",
                todo="Name the ledger's folder and the deployment as the tasks do.",
            )

    def all(self, dag_id: str | None = None) -> list[LedgerOrder]:
        """Return every order, or those of one DAG, sorted by their folders.

        :param dag_id: the DAG's id; orders of DAGs whose name looks the same may be among them.
        :raises LedgerUnavailable: if the store gives no answer.
        """
        folder = f"{self.journal.deployment}/orders" + ("" if dag_id is None else f"/{slug(dag_id)}")
        found: dict[str, list[int]] = {}
        for key in self.journal.store.keys(folder):
            parent, _, name = key.rpartition("/")
            if number := numbers([name]):
                found.setdefault(parent, []).extend(number)
        return [LedgerOrder(parent, tuple(sorted(found[parent]))) for parent in sorted(found)]

    def find(self, order: str) -> LedgerOrder:
        """Return the order whose id begins with some digits.

        :param order: 4 to 32 hex digits.
        :raises InvalidArgument: if no order's id does, or more than one.
        """
        if not _PREFIX.fullmatch(order):
            raise InvalidArgument(
                f"{order!r} is no order; an order's id is 32 hex digits, of which the first 4 may be enough.",
                todo="`kling-airflow ledger list` shows them.",
            )
        found = [each for each in self.all() if each.order.startswith(order)]
        if len(found) != 1:
            several = ", ".join(each.order for each in found[:5])
            raise InvalidArgument(
                f"{len(found)} orders begin with {order}: {several}."
                if found
                else f"No order begins with {order}.",
                todo="`kling-airflow ledger list` shows them.",
            )
        return found[0]

    def last(self, orders: list[LedgerOrder]) -> list[JournalEntry | UnreadableRecord]:
        """Return the last entry of each order, or why it can't be read."""
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(lambda order: self._try(order, order.numbers[-1]), orders))

    def history(self, order: LedgerOrder) -> list[JournalEntry | UnreadableRecord]:
        """Return each entry of an order's journal, or why it can't be read."""
        return [self._try(order, number) for number in order.numbers]

    def adopt(self, order: LedgerOrder, request_id: str) -> JournalEntry:
        """Make a request an order's own, as a person decided: the task's next try finds it.

        :raises InvalidArgument: if the order has another request, or the request another order.
        :raises UnreadableRecord: if the order can't be read.
        :raises Fenced: if a try has written meanwhile.
        """
        if not _REQUEST_ID.fullmatch(request_id):
            raise InvalidArgument(f"{request_id!r} is no request id.", todo="The GMI Cloud console shows it.")
        last = self.journal.read(order.folder, order.numbers[-1])
        record = last.record
        if _has_request(record):
            if record.request_id == request_id:
                return last
            raise InvalidArgument(
                f"The order has the request {record.request_id} already, which is paid for if it succeeds.",
                todo="If this request is surely not wanted, `kling-airflow ledger forget` the order first.",
            )
        owner = self.journal.owner(last.task_key, record.fingerprint, record.take)
        if not self.claims.claim(request_id, owner):
            raise InvalidArgument(
                f"The request {request_id} belongs to another: {self.claims.owner(request_id)}.",
                todo="A request can be one order's only. Nothing was written.",
            )
        adopted = record.submitted(request_id, now=0.0)
        return self._append(order, last, replace(adopted, submitted_at=record.sent_at))

    def forget(self, order: LedgerOrder, reason: str) -> JournalEntry:
        """Let an order's task submit anew, with a new marker. A clip that it has bought stays bought.

        :param reason: why, for people who read the ledger.
        :raises UnreadableRecord: if the order can't be read.
        :raises Fenced: if a try has written meanwhile.
        """
        last = self.journal.read(order.folder, order.numbers[-1])
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
        return self._append(order, last, fresh)

    def _append(self, order: LedgerOrder, last: JournalEntry, record: SubmissionRecord) -> JournalEntry:
        # A command is a writer of its own: an entry that exists at its number is never its own.
        entry = replace(
            last, record=record, number=last.number + 1, writer=f"{self.now():.6f}", by=self.by, at=self.now()
        )
        if not self.journal.append(order.folder, entry):
            raise Fenced(
                "A try of the task has written to this order meanwhile; nothing was changed. Look again."
            )
        return entry

    def _try(self, order: LedgerOrder, number: int) -> JournalEntry | UnreadableRecord:
        try:
            return self.journal.read(order.folder, number)
        except UnreadableRecord as error:
            return error


def _has_request(record: SubmissionRecord) -> bool:
    return record.state is State.SUBMITTED
