"""Budgets: what may be bought is claimed before each POST, so that no number of tasks exceeds a limit.

Below the ledger's root, beside a deployment's orders::

    <deployment>/budgets/<budget>/<period>/000001.json    a claim or a release, and what is held after it

An entry is written only by a writer that has read all entries before it, because the store creates each
number once. So the sum of the claims is the same for every writer, and two tasks never claim the same dollar.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, Protocol

from kling_airflow.errors import BudgetExceeded, UnreadableRecord
from kling_airflow.submission.exclusive_store import Store
from kling_airflow.submission.journal import entry_file, numbers
from kling_airflow.submission.record import SubmissionRecord
from kling_airflow.submission.task_key import TaskKey

SNAPSHOT_EVERY: Final = 32
"""Every so many entries, one holds all claims: a new process reads that one and what follows it."""
VERSION: Final = 1
_ADVICE: Final = (
    "Raise the budget, or clear this task when the budget has room again: a failed request gives its claim"
    " back, and a new period begins with nothing claimed."
)


class Claims(Protocol):
    """Where the claims on one budget are kept."""

    def claim(self, name: str, microusd: int, limit: int) -> int | None:
        """Claim an amount once for a name.

        :return: None if it is claimed, now or already; what the others hold if the claim would exceed the
            limit.
        """
        ...

    def release(self, name: str) -> None:
        """Give a claim back, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit, and where its claims are kept.

    :param words: the budget for people: ``$20 a day for the DAG film``.
    :param usd: the limit, in US dollars.
    :param claims: the claims on it.
    """

    words: str
    usd: float
    claims: Claims


@dataclass(frozen=True, slots=True)
class Budgets:
    """All budgets that an order must fit.

    :param budgets: the budgets; none if there is no limit.
    """

    budgets: Sequence[Budget] = ()

    def claim(self, key: TaskKey, record: SubmissionRecord, price: Callable[[], float | None]) -> None:
        """Claim the price of a POST in every budget; one that was claimed before counts once.

        :param record: the order's record as it will be stored before the POST.
        :param price: returns the price in US dollars; called only if there is a budget.
        :raises BudgetExceeded: if a budget has no room, or the price is not known; nothing stays claimed.
        """
        if not self.budgets:
            return
        usd = record.price_usd if record.price_usd is not None else price()
        if usd is None:
            raise BudgetExceeded(
                f"The price of this clip is not known, and there is a budget: {self.budgets[0].words}.",
                todo="Take a model with a known price, or remove the budget.",
            )
        name, amount = claim_name(key, record), microusd(usd)
        for number, budget in enumerate(self.budgets):
            held = budget.claims.claim(name, amount, microusd(budget.usd))
            if held is not None:
                for earlier in self.budgets[:number]:
                    earlier.claims.release(name)
                raise BudgetExceeded(
                    f"This clip costs ${usd:.2f}, and ${held / 1e6:.2f} of the budget are claimed:"
                    f" {budget.words}.",
                    todo=_ADVICE,
                )

    def release(self, key: TaskKey, record: SubmissionRecord) -> None:
        """Give back what was claimed for a POST that surely is not billed."""
        for budget in self.budgets:
            budget.claims.release(claim_name(key, record))


def claim_name(key: TaskKey, record: SubmissionRecord) -> str:
    """Return the name of a claim: the same each time the same request of an order is sent."""
    return f"{key.order(record.fingerprint, record.take)}.{len(record.earlier)}"


def microusd(usd: float) -> int:
    """Return an amount in millionths of a US dollar, rounded up."""
    return ceil(round(usd * 1e6, 3))


class MemoryClaims:
    """Claims of one process: of a task whose shots share a budget.

    :param held: what is claimed already, by name.
    """

    def __init__(self, held: dict[str, int] | None = None) -> None:
        self.held = dict(held or {})
        self._lock = threading.Lock()

    def claim(self, name: str, microusd: int, limit: int) -> int | None:
        """Claim an amount once for a name; return what the others hold if that would exceed the limit."""
        with self._lock:
            others = sum(amount for other, amount in self.held.items() if other != name)
            if name not in self.held and others + microusd > limit:
                return others
            self.held.setdefault(name, microusd)
            return None

    def release(self, name: str) -> None:
        """Give a claim back."""
        with self._lock:
            self.held.pop(name, None)


@dataclass(slots=True)
class StoredClaims:
    """The claims on one budget in one period, in a store that all tasks share.

    :param store: the store of the ledger's root.
    :param folder: the store's key of the period's folder.
    :param now: the clock, in Unix seconds.
    """

    store: Store
    folder: str
    now: Callable[[], float] = time.time
    held: dict[str, int] = field(default_factory=dict)
    number: int = 0
    _writer: str = field(default_factory=lambda: secrets.token_hex(12))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def claim(self, name: str, microusd: int, limit: int) -> int | None:
        """Claim an amount once for a name; return what the others hold if that would exceed the limit.

        :raises LedgerUnavailable: if it is unknown whether it was claimed. Claiming again is safe.
        """
        with self._lock:
            self._catch_up()
            while name not in self.held:
                others = sum(self.held.values())
                if others + microusd > limit:
                    return others
                self._append(name, microusd)
        return None

    def release(self, name: str) -> None:
        """Give a claim back, if there is one.

        :raises LedgerUnavailable: if it is unknown whether it was given back. Doing it again is safe.
        """
        with self._lock:
            self._catch_up()
            while name in self.held:
                self._append(name, None)

    def _append(self, name: str, microusd: int | None) -> None:
        """Write the next entry, or read the one that another writer has written there."""
        number = self.number + 1
        held = _after(self.held, name, microusd)
        entry: dict[str, Any] = {
            "version": VERSION,
            "number": number,
            "name": name,
            "microusd": microusd,
            "total_microusd": sum(held.values()),
            "writer": self._writer,
            "at": self.now(),
        }
        if number % SNAPSHOT_EVERY == 0:
            entry["held"] = held
        if self.store.create(entry_file(self.folder, number), json.dumps(entry).encode() + b"\n"):
            self.held, self.number = held, number
        else:
            self._read(number)

    def _catch_up(self) -> None:
        """Read the entries that were written since this process last read."""
        last = max(numbers(self.store.names(self.folder)), default=0)
        if last < self.number:
            raise UnreadableRecord(
                f"{self.store.uri}/{self.folder} had {self.number} entries, and has {last}"
            )
        snapshot = last - last % SNAPSHOT_EVERY
        if snapshot > self.number:
            self.number = snapshot - 1
        while self.number < last:
            self._read(self.number + 1)

    def _read(self, number: int) -> None:
        file = entry_file(self.folder, number)
        try:
            entry = json.loads(self.store.read(file) or b"")
            if entry["version"] != VERSION or entry["number"] != number:
                raise ValueError("it is of another version or number")
            if "held" in entry:
                held = {str(name): int(amount) for name, amount in entry["held"].items()}
            else:
                held = _after(self.held, str(entry["name"]), entry["microusd"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableRecord(f"{self.store.uri}/{file} is unreadable: {error}") from error
        self.held, self.number = held, number


def _after(held: dict[str, int], name: str, microusd: int | None) -> dict[str, int]:
    """Return what is held after a claim, or after a release."""
    rest = {other: amount for other, amount in held.items() if other != name}
    return rest if microusd is None else {**rest, name: int(microusd)}
