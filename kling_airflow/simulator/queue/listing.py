"""The list of requests, page by page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from kling_airflow.simulator.queue.records import record
from kling_airflow.simulator.queue.requests import QueueRequest

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.store import Store

PAGE = 100
Sort: TypeAlias = Callable[[Sequence[QueueRequest], float], list[QueueRequest]]
"""Orders requests, oldest first, as they stand at a moment (seconds since the epoch)."""


@dataclass(slots=True)
class ListQuery:
    """What a list call asks for, as the settings and faults change it.

    :param model: the model id, or None for every model.
    :param limit: rows; more than 100 are 100 (no user has recorded the real limit).
    :param lag_seconds: how far the list lags behind the requests.
    :param empty: whether the list has no rows, whatever was created.
    :param with_total: whether the page has `total` and `has_more`.
    :param now: the moment of the call, seconds since the epoch.
    :param ordered_at: when the fault that changes the query was put in force, seconds since the epoch.
    :param as_of: the moment the page shows, seconds since the epoch; None is now, less the lag.
    :param with_age: whether the answer tells the age of the page.
    :param sort: the order of the rows; None is newest first.
    :param row_edits: change the JSON of each row.
    """

    organization: str
    model: str | None
    limit: int = PAGE
    offset: int = 0
    lag_seconds: float = 0.0
    empty: bool = False
    with_payloads: bool = True
    with_outcomes: bool = True
    with_total: bool = True
    now: float = 0.0
    ordered_at: float = 0.0
    as_of: float | None = None
    with_age: bool = False
    sort: Sort | None = None
    row_edits: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)


def page(store: Store, query: ListQuery, base_url: str) -> dict[str, Any]:
    """Return one page, newest first.

    The vendor documents the order; one user saw `limit`, `offset` and `has_more`.
    """
    if query.empty:
        return {"requests": [], "total": 0, "has_more": False}
    store.advance(query.now)
    until = query.now - query.lag_seconds if query.as_of is None else query.as_of
    limit = min(query.limit, PAGE)
    if query.sort is None:
        rows, total = store.page(
            query.organization, query.model, until=until, limit=limit, offset=query.offset
        )
    else:
        rows = query.sort(store.created_until(query.organization, query.model, until), until)
        total = len(rows)
        rows = rows[query.offset : query.offset + limit]
    for row in rows:  # a row of the list is a read, too
        row.reads += 1
        store.settle(row, query.now)
    shown = [
        record(row, until, base_url, echo=query.with_payloads, with_outcome=query.with_outcomes)
        for row in rows
    ]
    for edit in query.row_edits:
        for row_json in shown:
            edit(row_json)
    if not query.with_total:
        return {"requests": shown}
    return {"requests": shown, "total": total, "has_more": query.offset + len(rows) < total}
