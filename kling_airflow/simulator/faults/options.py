"""The options of a fault, read from the keyword-only parameters of its function."""

from __future__ import annotations

import inspect
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 1e9
WANTED = {str: "a text", bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Between:
    """The limits of a number, as in `Annotated[int, Between(200, 599)]`."""

    low: float
    high: float


HttpStatus = Annotated[int, Between(200, 599)]


@dataclass(frozen=True, slots=True)
class Option:
    """One option.

    :param kind: `str`, `bool`, `int` or `float`.
    :param optional: whether None is a value.
    :param choices: the only values that are accepted; empty is every value of the kind.
    """

    name: str
    kind: type
    default: Any
    optional: bool = False
    choices: tuple[Any, ...] = ()
    limits: Between = Between(0, LARGEST)

    def check(self, value: Any) -> None:
        """Refuse a value that does not fit.

        :raises ValueError: with the option, the value and what is wanted.
        """
        if not (self._fits(value) or (value is None and self.optional)):
            raise ValueError(f"{self.name} is {value!r}, want {self.wanted}")

    @property
    def wanted(self) -> str:
        """What the option takes, in words."""
        if self.choices:
            return f"one of: {', '.join(map(str, self.choices))}"
        if self.kind not in (int, float):
            return WANTED[self.kind]
        if self.limits.high >= LARGEST:
            return f"{WANTED[self.kind]}, {self.limits.low:g} or more"
        return f"{WANTED[self.kind]} from {self.limits.low:g} to {self.limits.high:g}"

    def describe(self) -> dict[str, Any]:
        """Return the option for JSON, as the page builds its form from it."""
        return {
            "name": self.name,
            "kind": "choice" if self.choices else self.kind.__name__,
            "default": self.default,
            "optional": self.optional,
            "choices": self.choices,
            "wanted": self.wanted,
        }

    def _fits(self, value: Any) -> bool:
        if self.choices:
            return type(value) is self.kind and value in self.choices
        if self.kind is str:
            return isinstance(value, str)
        if self.kind is bool:
            return isinstance(value, bool)
        numbers: Any = int if self.kind is int else int | float
        fits = isinstance(value, numbers) and not isinstance(value, bool)
        return fits and self.limits.low <= value <= self.limits.high


def options_of(effect: Callable[..., Any]) -> tuple[Option, ...]:
    """Return the options of a fault's function."""
    hints = get_type_hints(effect, include_extras=True)
    parameters = inspect.signature(effect).parameters.values()
    return tuple(
        _option(parameter.name, hints[parameter.name], parameter.default)
        for parameter in parameters
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    )


def _option(name: str, hint: Any, default: Any) -> Option:
    optional = False
    limits = Between(0, LARGEST)
    if get_origin(hint) in (types.UnionType, Union):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
        optional = True
    if get_origin(hint) is Annotated:
        hint, limits = get_args(hint)
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return Option(name, type(choices[0]), default, optional, choices)
    if hint not in WANTED:
        raise TypeError(
            f"The option {name!r} has the type {hint!r}, want one of: {', '.join(map(str, WANTED))}"
        )
    return Option(name, hint, default, optional, limits=limits)
