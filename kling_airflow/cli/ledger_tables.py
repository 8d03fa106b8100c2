"""The tables of `kling-airflow ledger`, and its JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.errors import UnreadableRecord
from kling_airflow.submission.record import clock

if TYPE_CHECKING:
    from kling_airflow.submission.journal import JournalEntry
    from kling_airflow.submission.ledger_admin import LedgerOrder

SHORT: Final = 8
"""Digits of an order's id in a table, if they are enough to tell it from the others."""


def order_row(order: LedgerOrder, last: JournalEntry | UnreadableRecord) -> tuple[str, ...]:
    """Return an order's cells, without its id."""
    if isinstance(last, UnreadableRecord):
        dag, run, task = order.place.split("/")
        return ("unreadable", "", "", "", "", dag, run, task)
    record, task_key = last.record, last.task_key
    return (
        str(record.state),
        _time(record.sent_at),
        str(record.posts),
        record.request_id or "",
        record.model,
        task_key.dag_id,
        task_key.run_id,
        task_key.task,
    )


def entry_row(number: int, entry: JournalEntry | UnreadableRecord) -> tuple[str, ...]:
    """Return the cells of a journal's entry."""
    if isinstance(entry, UnreadableRecord):
        return (str(number), "", "unreadable", "", "", "", "", "")
    record = entry.record
    return (
        str(number),
        _time(entry.at),
        str(record.state),
        str(record.posts),
        record.request_id or "",
        record.marker or "",
        entry.by,
        record.reason or "",
    )


def as_json(order: LedgerOrder, entry: JournalEntry | UnreadableRecord) -> dict[str, Any]:
    """Return an entry as plain JSON, or why it can't be read."""
    if isinstance(entry, UnreadableRecord):
        return {"order": order.order, "unreadable": str(entry)}
    return entry.to_json()


def digits(orders: Sequence[str]) -> int:
    """Return how many digits tell each order from all others."""
    ordered = sorted(set(orders))
    needed = SHORT
    for before, after in pairwise(ordered):
        while before[:needed] == after[:needed]:
            needed += 1
    return needed


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below a head, each column as wide as its longest cell."""
    # A record's text comes from elsewhere: no line breaks, no escape sequences of terminals.
    lines = [head, *([cell.translate(_HARMLESS) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        sys.stdout.write(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        )


_HARMLESS: Final = dict.fromkeys([*range(32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")


def _time(seconds: float | None) -> str:
    return clock(seconds).removesuffix(" UTC")
