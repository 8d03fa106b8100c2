"""A fault type: its name, the stage and the calls it strikes, its options, and its effect."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from kling_airflow.simulator.faults.options import Option, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

E = TypeVar("E", bound="Callable[..., Any]")


class Stage(StrEnum):
    """Where a fault strikes."""

    LISTENER = "listener"
    UNREAD = "before the request is read"
    BEFORE = "before the request is handled"
    INSTEAD = "instead of handling it"
    AFTER = "after it was handled"
    BODY = "in the answer's body"
    LIFE = "in the life of the request"
    LIST = "in the list"
    RECORD = "in the records that are shown"
    CATALOGUE = "in the catalogue"
    STORAGE = "in the object store"


@dataclass(frozen=True, slots=True)
class FaultType:
    """One fault that can be ordered.

    :param calls: the names of the calls it can strike; empty is every connection.
    :param about: what happens, for people.
    :param usual_call: the only call it strikes unless another is named; None is all of `calls`.
    :param lasting: whether it stays in force until it is removed, rather than striking once.
    :param effect: what it does; the stage decides its first arguments, the keyword arguments are options.
    """

    name: str
    stage: Stage
    calls: tuple[str, ...]
    about: str
    options: tuple[Option, ...]
    usual_call: str | None
    lasting: bool
    effect: Callable[..., Any]

    @property
    def defaults(self) -> dict[str, Any]:
        """The options with their defaults."""
        return {option.name: option.default for option in self.options}

    @property
    def usual_calls(self) -> tuple[str, ...]:
        """The calls it strikes if no call is named."""
        return (self.usual_call,) if self.usual_call else self.calls


REGISTERED: dict[str, FaultType] = {}
"""The types whose modules are loaded; `table.FAULT_TYPES` has all of them."""


def register(
    name: str, stage: Stage, calls: Sequence[str], *, usual_call: str | None = None, lasting: bool = False
) -> Callable[[E], E]:
    """Make a function the effect of a fault type.

    :param name: how the fault is ordered.
    :raises ValueError: when two functions have the same name, or when one has no docstring.
    """

    def decorate(effect: E) -> E:
        about = " ".join((inspect.getdoc(effect) or "").split())
        if name in REGISTERED or not about:
            raise ValueError(f"The fault {name!r} exists already, or its function has no docstring.")
        REGISTERED[name] = FaultType(
            name, stage, tuple(calls), about, options_of(effect), usual_call, lasting, effect
        )
        return effect

    return decorate
