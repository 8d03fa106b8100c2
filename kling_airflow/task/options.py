"""An operator's arguments of a generation, read and checked in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Final, Self

from kling_airflow.arguments import one_of, seconds, text_or_none, whole_number
from kling_airflow.errors import InvalidArgument

RESUBMIT_ON: Final = ("passing", "any", "never")
"""The values of ``resubmit_on``: which failed generations are submitted again."""
ON_CHANGED_REQUEST: Final = ("reuse", "submit", "fail")
"""The values of ``on_changed_request``: what follows if the task asks for something else than before."""
ON_CLEAR: Final = ("keep", "buy")
"""The values of ``on_clear``: whether a cleared task looks for the clip it has bought, or buys another."""
ADOPT_MISMATCH: Final = ("refuse", "allow")
"""The values of ``adopt_mismatch``: what follows if the request to adopt asks for something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationOptions:
    """How a task submits and waits, as :class:`GenerationOperator` describes it; all times are seconds."""

    gmi_conn_id: str
    adopt_request_id: str | None
    adopt_mismatch: str
    durable: bool
    ledger: str | None
    wait_for_completion: bool
    deferrable: bool
    poll_interval: float
    timeout: float
    unreachable_after: float
    submit_timeout: float
    reconcile_grace: float
    on_unresolved: str
    on_changed_request: str
    on_clear: str
    resubmit_on: str
    max_resubmissions: int
    resubmit_delay: float
    cancel_on_kill: bool
    cancel_on_timeout: bool

    @classmethod
    def read(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the options among an operator's arguments.

        :param arguments: all arguments by name; others than the options are ignored.
        :raises InvalidArgument: naming the first argument that can't be used, its value and what it may be.
        """
        from kling_airflow.polling.decision import checked_interval

        values = {each.name: arguments[each.name] for each in fields(cls)}
        for each in fields(cls):
            if each.type == "float":
                values[each.name] = seconds(each.name, values[each.name])
        values["poll_interval"] = checked_interval(values["poll_interval"])
        one_of("on_changed_request", values["on_changed_request"], ON_CHANGED_REQUEST)
        one_of("on_clear", values["on_clear"], ON_CLEAR)
        one_of("adopt_mismatch", values["adopt_mismatch"], ADOPT_MISMATCH)
        one_of("resubmit_on", values["resubmit_on"], RESUBMIT_ON)
        values["max_resubmissions"] = whole_number("max_resubmissions", values["max_resubmissions"], least=0)
        values["adopt_request_id"] = text_or_none(values["adopt_request_id"])
        return cls(**values)


def check_execution_timeout(execution_timeout: timedelta | None) -> None:
    """Refuse an ``execution_timeout`` that could end a submission before its response arrives.

    :raises InvalidArgument: naming the timeout and the least that it must be.
    """
    from kling_airflow.gmi.call import SUBMIT_TIMEOUTS

    if execution_timeout and execution_timeout.total_seconds() <= SUBMIT_TIMEOUTS.total:
        raise InvalidArgument(
            f"`execution_timeout` is {execution_timeout.total_seconds():g} s; a submission may take"
            f" {SUBMIT_TIMEOUTS.total:g} s, and ending it earlier would lose its response."
        )
