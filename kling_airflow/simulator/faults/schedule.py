"""Which faults are in force, and which calls they strike."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kling_airflow.simulator.faults.registry import FaultType, Stage
from kling_airflow.simulator.faults.table import FAULT_TYPES
from kling_airflow.simulator.queue.calls import LIST

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kling_airflow.simulator.clock import Clock


STRUCK = "kling_airflow.faults"
"""The key of an ASGI scope under which the faults that strike a call are found."""


class Selector(BaseModel):
    """Which calls a fault strikes, and how often. A field that is None matches every call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    call: str | None = None
    """Only this call, by its name."""
    request_id: str | None = None
    """Only this request."""
    key: str | None = None
    """Only calls with the API key of this name."""
    organization: str | None = None
    model: str | None = None
    contains: str | None = None
    """Only requests whose payload, as JSON, contains this text."""
    skip: int = Field(default=0, ge=0)
    """Do not strike the first so many calls."""
    nth: int | None = Field(default=None, ge=1)
    """Strike the nth only."""
    times: int | None = Field(default=None, ge=1)
    """Strike so often; after that the fault is not in force."""
    for_seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Be in force for so many seconds."""
    probability: float = Field(default=1.0, ge=0, le=1)


@dataclass(frozen=True, slots=True)
class Target:
    """A call that a fault may strike.

    :param text: returns the payload as JSON, for `contains`.
    """

    call: str
    request_id: str | None = None
    key: str | None = None
    organization: str | None = None
    model: str | None = None
    text: Callable[[], str] = str


@dataclass(slots=True)
class Fault:
    """A fault in force."""

    id: str
    type: FaultType
    selector: Selector
    options: dict[str, Any]
    until: float | None
    remaining: int | None
    rng: random.Random
    to_skip: int
    since: float
    """When it was put in force, seconds since the epoch."""
    struck: int = 0

    def strikes(self, target: Target) -> bool:
        """Return whether the fault strikes this call, and count the call."""
        if not self._matches(target):
            return False
        if self.to_skip > 0:
            self.to_skip -= 1
            return False
        if self.selector.probability < 1 and self.rng.random() >= self.selector.probability:
            return False
        self.struck += 1
        if self.remaining is not None:
            self.remaining -= 1
        return True

    def selects(self, request_id: str | None, text: Callable[[], str]) -> bool:
        """Return whether the fault strikes this request.

        :param text: returns the payload as JSON.
        """
        selector = self.selector
        if selector.request_id is not None and selector.request_id != request_id:
            return False
        return selector.contains is None or selector.contains in text()

    def apply(self, *subjects: Any) -> Any:
        """Call the fault's function with its options; return the result."""
        return self.type.effect(*subjects, **self.options)

    def over(self, now: float) -> bool:
        """Return whether the fault will never strike again."""
        return self.remaining == 0 or (self.until is not None and now >= self.until)

    def describe(self) -> dict[str, Any]:
        """Return the fault for JSON."""
        said = self.selector.model_dump(exclude_defaults=True)
        return {"id": self.id, "name": self.type.name, **said, **self.options, "struck": self.struck}

    def in_words(self) -> str:
        """Return the name with the options that are set, such as `failed (reason: no, after: 5)`."""
        options = ", ".join(f"{name}: {value}" for name, value in self.options.items() if value is not None)
        return f"{self.type.name} ({options})" if options else self.type.name

    def _matches(self, target: Target) -> bool:
        selector = self.selector
        allowed = (selector.call,) if selector.call else self.type.usual_calls
        if target.call not in allowed:
            return False
        for name in ("key", "organization", "model"):
            wanted = getattr(selector, name)
            if wanted is not None and wanted != getattr(target, name):
                return False
        # A list has many records: `selects` is asked for each of them.
        each = self.type.stage is Stage.RECORD and target.call == LIST
        return each or self.selects(target.request_id, target.text)


@dataclass(slots=True)
class Schedule:
    """The faults in force, in the order in which they were added.

    :param seed: the seed of every random choice.
    """

    clock: Clock
    seed: int
    faults: list[Fault] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    """How often each fault type has struck, by name."""
    _ordinal: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, name: str, values: Mapping[str, Any]) -> Fault:
        """Put a fault in force.

        :param name: one of `FAULT_TYPES`.
        :param values: a selector's fields and the fault's options.
        :raises ValueError: naming what is wrong.
        """
        fault_type, selector, options = read_fault(name, values)
        number = next(self._ordinal)
        lasting = (
            fault_type.lasting
            or selector.for_seconds is not None
            or selector.probability < 1
            or selector.request_id is not None
        )
        once = selector.nth is not None or not lasting
        fault = Fault(
            id=f"{fault_type.name}-{number}",
            type=fault_type,
            selector=selector,
            options=options,
            until=None if selector.for_seconds is None else self.clock.now() + selector.for_seconds,
            remaining=1 if selector.times is None and once else selector.times,
            rng=random.Random(f"{self.seed}:{number}"),  # noqa: S311 - chance, not secrets
            to_skip=selector.skip if selector.nth is None else selector.nth - 1,
            since=self.clock.now(),
        )
        self.faults.append(fault)
        return fault

    def draw(self, target: Target, stages: frozenset[Stage]) -> list[Fault]:
        """Return the faults of some stages that strike a call, each counted."""
        now = self.clock.now()
        self.faults = [fault for fault in self.faults if not fault.over(now)]
        struck = [fault for fault in self.faults if fault.type.stage in stages and fault.strikes(target)]
        for fault in struck:
            self.struck[fault.type.name] = self.struck.get(fault.type.name, 0) + 1
        return struck

    def in_force(self) -> list[Fault]:
        """Return the faults that may still strike."""
        now = self.clock.now()
        return [fault for fault in self.faults if not fault.over(now)]

    def clear(self) -> None:
        """Take every fault out of force."""
        self.faults.clear()

    def remove(self, fault_id: str) -> bool:
        """Take a fault out of force; return whether it was in force."""
        kept = [fault for fault in self.faults if fault.id != fault_id]
        found = len(kept) < len(self.faults)
        self.faults = kept
        return found


def read_fault(name: str, values: Mapping[str, Any]) -> tuple[FaultType, Selector, dict[str, Any]]:
    """Return the type of a fault, the calls it strikes, and its options.

    :param values: as `Schedule.add` takes them.
    :raises ValueError: naming what is wrong.
    """
    fault_type = FAULT_TYPES.get(name)
    if fault_type is None:
        raise ValueError(f"no fault is called {name!r}; there are: {', '.join(FAULT_TYPES)}")
    fields = {key: values[key] for key in values if key in Selector.model_fields}
    options = {key: values[key] for key in values if key not in fields}
    return fault_type, _selector(fault_type, fields), fault_type.defaults | _checked(fault_type, options)


def _selector(fault_type: FaultType, values: dict[str, Any]) -> Selector:
    try:
        selector = Selector(**values)
    except ValidationError as error:
        details = "; ".join(f"{detail['loc'][0]}: {detail['msg']}" for detail in error.errors())
        raise ValueError(f"{fault_type.name}: {details}") from error
    if not fault_type.calls and values:
        raise ValueError(f"{fault_type.name} strikes every call: {', '.join(values)} can't be chosen")
    if selector.call is not None and selector.call not in fault_type.calls:
        raise ValueError(
            f"{fault_type.name} does not strike {selector.call!r}, but: {', '.join(fault_type.calls)}"
        )
    return selector


def _checked(fault_type: FaultType, values: dict[str, Any]) -> dict[str, Any]:
    options = {option.name: option for option in fault_type.options}
    for name, value in values.items():
        if name not in options:
            known = ", ".join([*Selector.model_fields, *options])
            raise ValueError(f"{fault_type.name} has no option {name!r}; it takes: {known}")
        try:
            options[name].check(value)
        except ValueError as error:
            raise ValueError(f"{fault_type.name}: {error}") from error
    return values


def struck(scope: Mapping[str, Any], stage: Stage) -> list[Fault]:
    """Return the faults of a stage that strike a call, out of its ASGI scope."""
    faults: list[Fault] = scope.get(STRUCK, [])
    return [fault for fault in faults if fault.type.stage is stage]
