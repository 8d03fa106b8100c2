"""Faults in the list of requests."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import LIST
from kling_airflow.simulator.queue.listing import PAGE, ListQuery
from kling_airflow.simulator.queue.requests import QueueRequest


@register("list-lag", Stage.LIST, (LIST,), lasting=True)
def lag(query: ListQuery, *, lag: float = 30.0) -> None:
    """The list is `lag` seconds behind."""
    query.lag_seconds = lag


@register("list-empty", Stage.LIST, (LIST,), lasting=True)
def empty(query: ListQuery) -> None:
    """The list is empty."""
    query.empty = True


@register("list-no-has-more", Stage.LIST, (LIST,), lasting=True)
def no_has_more(query: ListQuery) -> None:
    """The list lacks `has_more` and `total`."""
    query.with_total = False


@register("list-ignores-limit", Stage.LIST, (LIST,), lasting=True)
def ignores_limit(query: ListQuery) -> None:
    """The list takes no notice of `limit`: always 100 rows."""
    query.limit = PAGE


@register("list-ignores-offset", Stage.LIST, (LIST,), lasting=True)
def ignores_offset(query: ListQuery) -> None:
    """The list takes no notice of `offset`: always the newest rows."""
    query.offset = 0


@register("list-mixed-models", Stage.LIST, (LIST,), lasting=True)
def mixed_models(query: ListQuery) -> None:
    """The list shows every model, whatever `model_id` says."""
    query.model = None


@register("list-no-outcomes", Stage.LIST, (LIST,), lasting=True)
def no_outcomes(query: ListQuery) -> None:
    """The list's rows have no outcome."""
    query.with_outcomes = False


@register("list-no-payloads", Stage.LIST, (LIST,), lasting=True)
def no_payloads(query: ListQuery) -> None:
    """The list's rows echo `{}`."""
    query.with_payloads = False


@register("list-padded", Stage.LIST, (LIST,), lasting=True)
def padded(query: ListQuery, *, bytes: int = 1_000_000) -> None:  # noqa: A002 - the option's name
    """Each row of the list carries `bytes` more than it needs."""

    def pad(row: dict[str, Any]) -> None:
        row["payload"] = {**row["payload"], "negative_prompt": "x" * bytes}

    query.row_edits.append(pad)


@register("list-sorted", Stage.LIST, (LIST,), lasting=True)
def sorted_otherwise(
    query: ListQuery,
    *,
    by: Literal["created_at", "updated_at"] = "created_at",
    first: Literal["oldest", "newest"] = "oldest",
) -> None:
    """The rows of the list are sorted `by` created_at or updated_at, the oldest or the newest `first`."""

    def moment(request: QueueRequest, as_of: float) -> float:
        return request.created_at if by == "created_at" else request.view(as_of)[1]

    def sort(rows: Sequence[QueueRequest], as_of: float) -> list[QueueRequest]:
        newest_first = first == "newest"
        ordered = reversed(rows) if newest_first else rows
        return sorted(ordered, key=lambda request: moment(request, as_of), reverse=newest_first)

    query.sort = sort


@register("list-pinned", Stage.LIST, (LIST,), lasting=True)
def pinned(query: ListQuery, *, rows: int = 1) -> None:
    """The oldest `rows` stand above the newest row on the first page, and not in their own place."""

    def sort(requests: Sequence[QueueRequest], as_of: float) -> list[QueueRequest]:
        return [*requests[:rows], *reversed(requests[rows:])]

    query.sort = sort


@register("list-cached", Stage.LIST, (LIST,), lasting=True)
def cached(query: ListQuery, *, seconds: float = 300.0, with_age: bool = False) -> None:
    """For `seconds` the list and its Date are those of the moment of the order; Age only `with_age`."""
    if query.now < query.ordered_at + seconds:
        query.as_of = query.ordered_at
        query.with_age = with_age


@register("list-no-created-at", Stage.LIST, (LIST,), lasting=True)
def no_created_at(query: ListQuery) -> None:
    """The list's rows have no `created_at`."""
    query.row_edits.append(lambda row: row.pop("created_at", None))
