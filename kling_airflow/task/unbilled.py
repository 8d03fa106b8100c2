"""Gives a claim on a budget back when the request that it was for has failed, so that it isn't billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import GenerationFailed, KlingError, Money

if TYPE_CHECKING:
    from kling_airflow.submission.budget import Budget
    from kling_airflow.submission.order import Log
    from kling_airflow.task.options import GenerationOptions


def release_unbilled(
    context: Mapping[str, Any],
    options: GenerationOptions,
    error: KlingError,
    log: Log,
    *,
    shot: str | None = None,
    own_budget: Budget | None = None,
) -> None:
    """Give back what was claimed for a failed request; the error is raised by the caller.

    A request that is submitted again needs no such call: the submission finds that it has failed.

    :param error: how the request ended.
    :param shot: name and take of a shot; None in a task that buys one clip.
    :param own_budget: the task's own budget; None if it has none.
    """
    if not isinstance(error, GenerationFailed) or error.money is not Money.NOT_BILLED:
        return
    from kling_airflow.hooks.budgets import budgets_of
    from kling_airflow.hooks.ledger import ledger_of
    from kling_airflow.task_instance.key import task_key

    try:
        budgets = budgets_of(context, options.gmi_conn_id, options.ledger, own=own_budget)
        if not budgets.budgets:
            return
        key = task_key(context["ti"], context.get("loop"), shot)
        ledger = ledger_of(context, key, durable=options.durable, ledger=options.ledger or None)
        for record in ledger.records():
            if record.request_id == error.request_id:
                budgets.release(key, record)
    except Exception as failure:
        log.warning(
            "The claim on a budget for request %s could not be given back: %s. A clear of this task does it.",
            error.request_id,
            type(failure).__name__,
        )
