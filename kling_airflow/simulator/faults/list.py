"""Faults in the list of requests."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

from typing import Any

from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import LIST
from kling_airflow.simulator.queue.listing import PAGE, ListQuery


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
