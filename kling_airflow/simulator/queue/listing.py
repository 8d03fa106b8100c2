"""The list of requests, as it is and as faults bend it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.queue.records import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.simulator.faults.schedule import Fault
    from kling_airflow.simulator.service import Service

PAGE = 100


def page(
    service: Service,
    organization: str,
    model_id: str | None,
    *,
    limit: int,
    offset: int,
    faults: Mapping[str, Fault],
) -> dict[str, Any]:
    """Return one page, newest first (doc; `limit`, `offset` and `has_more` once).

    :param limit: rows; more than 100 are 100 (assumed).
    :param faults: those that strike this call, by name.
    """
    settings = service.settings
    if "list-empty" in faults or (settings.list_needs_model and model_id is None):
        return {"requests": [], "total": 0, "has_more": False}
    now = service.clock.now()
    service.store.advance(now)
    lag = float(faults["list-lag"].options["lag"]) if "list-lag" in faults else settings.list_lag_seconds
    limit = PAGE if "list-ignores-limit" in faults else min(limit, PAGE)
    offset = 0 if "list-ignores-offset" in faults else offset
    rows, total = service.store.page(
        organization,
        None if "list-mixed-models" in faults else model_id,
        until=now - lag,
        limit=limit,
        offset=offset,
    )
    for row in rows:  # a row of the list is a read, too
        row.reads += 1
        service.store.settle(row, now)
    shown = [_row(service, row, now - lag, faults) for row in rows]
    if "list-no-has-more" in faults:
        return {"requests": shown}
    return {"requests": shown, "total": total, "has_more": offset + len(rows) < total}


def _row(service: Service, row: Any, at: float, faults: Mapping[str, Fault]) -> dict[str, Any]:
    settings = service.settings
    shown = record(
        row,
        at,
        service.base_url,
        echo=settings.payload_echo == "whole" and "list-no-payloads" not in faults,
        with_outcome=settings.list_outcomes and "list-no-outcomes" not in faults,
    )
    if "list-padded" in faults:
        padding = "x" * int(faults["list-padded"].options["bytes"])
        shown["payload"] = {**shown["payload"], "negative_prompt": padding}
    return shown
