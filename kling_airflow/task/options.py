"""An operator's arguments of a generation, read and checked in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from kling_airflow.arguments import name_or_none, one_of, seconds, switch_or_none, whole_number
from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from kling_airflow.task.literals import Literals

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
        return cls(**{each.name: read_option(each.name, arguments[each.name]) for each in fields(cls)})


def read_option(name: str, value: Any) -> Any:
    """Return one option as it is meant.

    :raises InvalidArgument: naming the argument, its value and what it may be.
    """
    if name in _WORDS:
        one_of(name, value, _WORDS[name])
        return value
    if name == "max_resubmissions":
        return whole_number(name, value, least=0)
    if name == "poll_interval":
        from kling_airflow.polling.decision import checked_interval

        return checked_interval(seconds(name, value))
    kind = _KINDS[name]
    if kind == "float":
        return seconds(name, value)
    if kind == "bool":
        return switch(name, value)
    return value if kind == "str" else name_or_none(name, value)


def switch(name: str, value: object) -> bool:
    """Read a switch; None, which a template makes of nothing, is no switch.

    :raises InvalidArgument: for what is neither True nor False, nor a word for one.
    """
    read = switch_or_none(name, value)
    if read is None:
        raise InvalidArgument(f"`{name}` is {value!r}; it must be True or False.")
    return read


def check_literal_options(given: Literals) -> None:
    """Refuse a wrong option when the DAG is parsed.

    :raises InvalidArgument: naming the first argument that can't be used.
    """
    from kling_airflow.submission.order import OnUnresolved

    timeout = given.get("execution_timeout")
    check_execution_timeout(timeout if isinstance(timeout, timedelta) else None)
    for name in _KINDS.keys() & given.keys():
        if name == "deferrable" and given[name] is None:
            continue
        if given[name] is not None or name not in TEMPLATED:
            read_option(name, given[name])
    given.read("on_unresolved", lambda name, value: OnUnresolved.read(name_or_none(name, value) or ""))
    given.read("gmi_conn_id", name_or_none)
    given.read("label", name_or_none)
    given.read("take", lambda name, value: whole_number(name, value, least=1))


_WORDS: Final = {
    "on_changed_request": ON_CHANGED_REQUEST,
    "on_clear": ON_CLEAR,
    "adopt_mismatch": ADOPT_MISMATCH,
    "resubmit_on": RESUBMIT_ON,
}
_KINDS: Final = {each.name: str(each.type) for each in fields(GenerationOptions)}
TEMPLATED: Final = ("gmi_conn_id", "adopt_request_id", "ledger", "on_unresolved")
"""Options that are rendered: None in one of them means that it takes its default."""


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
