"""The price list of a model: one price for each combination of options that a source documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from kling_airflow.nested import at
from kling_airflow.redaction import shown_value

GIVEN, ABSENT = "given", "absent"
"""The values of a list in a price list: with at least one entry, and without any."""


@dataclass(frozen=True, slots=True)
class Longest:
    """A case in which the clip lasts as long as the input video: it is priced with the longest one.

    :param place: the place in the payload that decides.
    :param value: its value in this case.
    :param seconds: what the longest input lasts, as documented.
    """

    place: str
    value: str
    seconds: int

    def holds(self, payload: Mapping[str, Any]) -> bool:
        """Return whether this is the case of a payload."""
        value = at(payload, self.place)
        return isinstance(value, str) and value.strip().lower() == self.value


@dataclass(frozen=True, slots=True)
class Price:
    """What a request costs, by what is asked. A combination that is not listed has no price.

    :param usd: US dollars for each documented combination: the values of the fields in ``by``, in order.
    :param by: the payload's fields that the price depends on, each with the value that counts if the field is
        left out; None if no source says which.
    :param base: the combination whose price the queue's catalog shows (assumed: that of the defaults).
    :param unit: what the price is for.
    :param seconds: what counts if the payload has no duration; None if no source says.
    :param longest: the cases in which the payload's duration doesn't decide; the first one counts.
    """

    usd: Mapping[tuple[str, ...], float]
    by: Mapping[str, str | None] = field(default_factory=dict)
    base: tuple[str, ...] = ()
    unit: Literal["second", "request"] = "second"
    seconds: int | None = None
    longest: tuple[Longest, ...] = ()

    def unit_usd(self, payload: Mapping[str, Any]) -> float | None:
        """Return the price of one unit; None for a combination that no source documents."""
        return self.usd.get(self._combination(payload))

    def has_none_for(self, payload: Mapping[str, Any]) -> bool:
        """Return whether a payload says what its price depends on, and no source documents that price."""
        found = self._combination(payload)
        return "" not in found and found not in self.usd

    def _combination(self, payload: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the values of the fields in ``by``; "" for one that is unknown."""
        return tuple(_spelled(payload.get(name), default) for name, default in self.by.items())

    def of(self, payload: Mapping[str, Any]) -> float | None:
        """Return what a payload costs at most; None if that is not documented."""
        usd = self.unit_usd(payload)
        return None if usd is None else self.times(usd, payload)

    def times(self, unit_usd: float, payload: Mapping[str, Any]) -> float | None:
        """Return the price of all units of a payload; None if it is not known how many there are."""
        if self.unit == "request":
            return unit_usd
        for case in self.longest:
            if case.holds(payload):
                return round(unit_usd * case.seconds, 6)
        duration = payload.get("duration")
        return in_seconds(unit_usd, self.seconds if duration is None else duration)

    def follows_input(self, payload: Mapping[str, Any]) -> bool:
        """Return whether the clip lasts as long as an input video, whatever the payload's duration says."""
        return any(case.holds(payload) for case in self.longest)

    def factor(self, payload: Mapping[str, Any]) -> float | None:
        """Return how many times dearer a payload's unit is than the one that the catalog shows."""
        usd, base = self.unit_usd(payload), self.usd[self.base]
        if usd is None:
            return None
        return usd / base if base else 1.0

    def rows(self) -> Iterator[tuple[str, float]]:
        """Yield each combination in words, with its price: the docs and the tests read it."""
        for values, usd in self.usd.items():
            named = zip(self.by, values, strict=True)
            yield ", ".join(f"`{name}` {value}" for name, value in named), usd


def in_seconds(usd: float, duration: object) -> float | None:
    """Return the price of so many seconds; None for a duration that is no number."""
    try:
        cost = usd * float(str(duration))
    except (ValueError, OverflowError, RecursionError):
        return None
    return round(cost, 6) if isfinite(cost) and cost >= 0 else None


def _spelled(value: object, default: str | None) -> str:
    """Return a field's value as the price list spells it; "" if it is left out, and no default is known."""
    if isinstance(value, list | tuple):
        return GIVEN if value else ABSENT
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None or value == "":
        return default or ""
    return value.strip().lower() if isinstance(value, str) else shown_value(value)
