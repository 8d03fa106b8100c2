"""What was spent: the requests of the queue, by the orders of a ledger that they belong to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kling_airflow.errors import NotFound, UnreadableRecord
from kling_airflow.gmi.request import Request, Status
from kling_airflow.prices import price_usd
from kling_airflow.submission.journal import JournalEntry

BY: Final = ("day", "dag", "task", "model", "state")
"""What spending can be summed by."""
UNKNOWN: Final = "(not in the ledger)"
"""The DAG of a request that no order of the ledger has."""


class Queue(Protocol):
    """The calls of a client that are made."""

    def list_requests(self, model: str) -> Iterator[Request]:
        """Yield a model's requests, newest first."""
        ...

    def get(self, request_id: str) -> Request:
        """Return a request in its present state."""
        ...

    def model(self, model: str) -> Mapping[str, Any]:
        """Return the catalog's entry of a model."""
        ...


@dataclass(frozen=True, slots=True)
class Spent:
    """One request, and what it costs.

    :param request_id: the queue's id.
    :param day: when the queue created it, UTC, as 2026-05-01; "" if that is not known.
    :param dag: the DAG of its order.
    :param task: the task of its order, with map index and shot.
    :param model: the model's id.
    :param state: the request's status.
    :param usd: what is charged: the price of a request that has succeeded, else 0.
    :param held_usd: what is held: the price of a request that is not over, else 0.
    """

    request_id: str
    day: str
    dag: str
    task: str
    model: str
    state: str
    usd: float
    held_usd: float


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of some requests.

    :param group: the values that they share, in the order of the names that were asked for.
    :param requests: how many they are.
    :param usd: what is charged.
    :param held_usd: what is held.
    """

    group: tuple[str, ...]
    requests: int
    usd: float
    held_usd: float


def spent(
    queue: Queue,
    entries: Iterable[JournalEntry | UnreadableRecord],
    models: Iterable[str],
    *,
    since: float | None = None,
    until: float | None = None,
) -> list[Spent]:
    """Return all requests of some models, and all of the ledger's orders, oldest first.

    :param entries: the last entry of each order.
    :param models: models whose lists are read, besides those of the orders.
    :param since: requests that were created before are left out, in Unix seconds; None for all.
    :param until: the same, of requests that were created at or after this time.
    """
    orders = {
        request_id: entry
        for entry in entries
        if isinstance(entry, JournalEntry)
        for request_id in (*entry.record.earlier, entry.record.request_id)
        if request_id is not None
    }
    asked = sorted({*models, *(entry.record.model for entry in orders.values())})
    found = {each.request_id: each for model in asked for each in _listed(queue, model, since)}
    for request_id, entry in orders.items():
        if request_id not in found and (since is None or (entry.record.submitted_at or since) >= since):
            try:
                found[request_id] = queue.get(request_id)
            except NotFound:
                continue
    price = _Prices(queue)
    kept = [each for each in found.values() if _within(each, since, until)]
    kept.sort(key=lambda each: (each.created_at or 0, each.request_id))
    return [_spent(each, orders.get(each.request_id), price.of) for each in kept]


def sums(rows: Sequence[Spent], by: Sequence[str]) -> list[Sum]:
    """Return the sums of requests that share some values, in the order of the values.

    :param by: names among :data:`BY`; none sums everything.
    """
    groups: dict[tuple[str, ...], list[Spent]] = {}
    for row in rows:
        groups.setdefault(tuple(str(getattr(row, name)) for name in by), []).append(row)
    return [
        Sum(
            group,
            len(each),
            round(sum(row.usd for row in each), 6),
            round(sum(row.held_usd for row in each), 6),
        )
        for group, each in sorted(groups.items())
    ]


class _Prices:
    """The price of a request; the catalog is asked once for each model without a price in the table."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.descriptions: dict[str, Mapping[str, Any] | None] = {}

    def of(self, request: Request, entry: JournalEntry | None) -> float:
        """Return the price by the record, else by table or catalog; 0 if none of them knows it."""
        if entry is not None and entry.record.price_usd is not None:
            return entry.record.price_usd
        listed = request.clip().cost_usd
        if listed is not None:
            return listed
        payload = {name: str(value) for name, value in request.payload.items() if name in _PRICED}
        return price_usd(request.model, payload, description=self._description(request.model)) or 0.0

    def _description(self, model: str) -> Mapping[str, Any] | None:
        if model not in self.descriptions:
            try:
                self.descriptions[model] = self.queue.model(model)
            except NotFound:
                self.descriptions[model] = None
        return self.descriptions[model]


_PRICED: Final = ("duration", "sound", "resolution")


def _listed(queue: Queue, model: str, since: float | None) -> Iterator[Request]:
    """Yield a model's requests; the list is newest first, so it ends at the first that is too old."""
    for request in queue.list_requests(model):
        if since is not None and request.created_at is not None and request.created_at < since - _SLACK:
            return
        yield request


_SLACK: Final = 3600.0
"""Seconds by which rows of a list may stand out of order."""


def _within(request: Request, since: float | None, until: float | None) -> bool:
    created = request.created_at
    if created is None:
        return since is None and until is None
    return (since is None or created >= since) and (until is None or created < until)


def _spent(
    request: Request, entry: JournalEntry | None, price: Callable[[Request, JournalEntry | None], float]
) -> Spent:
    over = request.status.terminal
    costs = price(request, entry) if request.status is Status.SUCCESS or not over else 0.0
    day = "" if request.created_at is None else time.strftime("%Y-%m-%d", time.gmtime(request.created_at))
    return Spent(
        request.request_id,
        day,
        UNKNOWN if entry is None else entry.task_key.dag_id,
        "" if entry is None else entry.task_key.task,
        request.model or (entry.record.model if entry is not None else ""),
        str(request.status),
        usd=costs if over else 0.0,
        held_usd=0.0 if over else costs,
    )
