"""What a model is asked: options checked against the table of models, and the JSON that the queue takes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)

from kling_airflow.arguments import is_literal
from kling_airflow.errors import InvalidArgument
from kling_airflow.models import Choice, ModelSpec, Option, Seconds, Switch, Text, spec_of
from kling_airflow.prices import price_usd

_SWITCH = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What is asked of a clip, its frames aside, so that it can be checked before a frame is read.

    :param spec: the model's entry.
    :param values: the model's options by name, in their Python types; None for what was not given.
    """

    spec: ModelSpec
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, model: str, **given: Any) -> Self:
        """Check what a user gives and return it; an option that is None, or left out, takes its default.

        :param model: the model's id.
        :raises InvalidArgument: naming each option that breaks a limit, its value, and the limit; and each
            that the model does not have, with the names that it has.
        """
        spec = spec_of(model)
        return cls(spec, _checked(spec, given, later=frozenset()))

    @classmethod
    def of_literals(cls, model: str, **given: Any) -> Self | None:
        """Check what is final when the DAG is parsed; return the options if nothing is left for later.

        :param model: the model's id.
        :raises InvalidArgument: as :meth:`of` does.
        """
        spec = spec_of(model)
        later = frozenset(name for name, value in given.items() if not is_literal(value))
        values = _checked(spec, {name: given[name] for name in given if name not in later}, later=later)
        return None if later else cls(spec, values)

    @classmethod
    def read(cls, spec: ModelSpec, given: Mapping[str, Any]) -> tuple[Self, dict[str, str]]:
        """Return the options that can be used, and by name what is wrong with the others.

        :param given: as :meth:`of` takes it.
        """
        values, problems = _read(spec, given)
        return cls(spec, values), problems

    def to_json(self) -> dict[str, str]:
        """Return the options as the queue wants them: strings, absent ones left out (documented)."""
        return {name: _spelled(value) for name, value in self.values.items() if value not in (None, "")}

    def payload(self, frames: Mapping[str, str]) -> dict[str, str]:
        """Return the whole payload.

        :param frames: by the payload's field: an http(s) URL that anyone can read, or plain Base64.
        :raises InvalidArgument: naming the field, its value and what the queue takes.
        """
        problems = [
            f"`{name}` is missing" for name in (self.spec.start_frame,) if name and name not in frames
        ]
        for name, value in frames.items():
            if problem := _frame_problem(value):
                problems.append(f"`{name}` is {_short(value)}: it {problem}")
        if problems:
            raise InvalidArgument("; ".join(problems) + ".")
        return self.to_json() | dict(frames)

    @property
    def duration(self) -> int | None:
        """Seconds of clip; None for a model without that option."""
        return self.values.get("duration")

    @property
    def sound(self) -> bool:
        """Whether the clip gets an audio track."""
        return bool(self.values.get("sound"))

    @property
    def price_usd(self) -> float | None:
        """What the clip costs by the table of models, in US dollars; None if the table has no price."""
        return price_usd(self.spec.id, self.to_json())

    def __str__(self) -> str:
        return f"this clip ({self.duration} s{' with sound' if self.sound else ''})"


def _checked(spec: ModelSpec, given: Mapping[str, Any], *, later: Collection[str]) -> dict[str, Any]:
    """Return all options of a model in their Python types.

    :param later: options whose values are not known yet, so that nothing can be missing for them.
    :raises InvalidArgument: naming everything that is wrong.
    """
    values, problems = _read(spec, given)
    if found := [problem for name, problem in problems.items() if name not in later]:
        raise InvalidArgument("; ".join(found) + ".")
    return values


def _read(spec: ModelSpec, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return all options of a model in their Python types, and by name what is wrong."""
    named = {name: value for name, value in given.items() if value is not None}
    problems = {name: spec.refusal(name) for name in named if name not in spec.options}
    try:
        options = {name: value for name, value in named.items() if name in spec.options}
        return _checker(spec.id)(**options).model_dump(), problems
    except ValidationError as error:
        return {}, problems | {str(each["loc"][0]): _sentence(spec, each) for each in error.errors()}


@cache
def _checker(model: str) -> type[BaseModel]:
    """Return the pydantic model that checks a model's options."""
    fields: dict[str, Any] = {name: _field(option) for name, option in spec_of(model).options.items()}
    made: type[BaseModel] = create_model("Options", __config__=ConfigDict(frozen=True), **fields)
    return made


def _field(option: Option) -> tuple[Any, Any]:
    match option:
        case Text(most, required=True):
            return Annotated[str, Field(max_length=most), AfterValidator(_not_blank)], ...
        case Text(most):
            return Annotated[str, Field(max_length=most)] | None, None
        case Seconds(least, most, default):
            return Annotated[int, BeforeValidator(_whole_seconds), Field(ge=least, le=most)], default
        case Switch(default):
            return Annotated[bool, BeforeValidator(_switch)], default
        case Choice(values, default):
            return Annotated[str, AfterValidator(_one_of(values))], default


def _whole_seconds(value: object) -> object:
    """Read a number as templates render it, as text; a switch or a fraction is no number of seconds."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("must be a whole number of seconds")


def _switch(value: object) -> object:
    """Read a switch as templates render it, as "True"."""
    if isinstance(value, bool):
        return value
    known = _SWITCH.get(str(value).strip().lower())
    if known is None:
        raise ValueError("must be true or false")
    return known


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _one_of(values: tuple[str, ...]) -> Any:
    def check(value: str) -> str:
        if value not in values:
            raise ValueError(f"must be one of {', '.join(values)}")
        return value

    return check


def _frame_problem(value: object) -> str | None:
    """Say why a frame's value can't be sent; None for a URL or Base64 without a prefix (raw Base64: seen)."""
    if not isinstance(value, str) or not value:
        return "must be a URL or Base64"
    if value[:5].lower() == "data:":
        return "must be Base64 without a `data:` prefix: drop everything up to and with the comma"
    scheme, separator, _ = value.partition("://")
    if separator:
        known = scheme.lower() in {"http", "https"}
        return None if known else f"has the scheme `{scheme}://`; the queue reads http:// and https:// only"
    return None if len(value) % 4 == 0 and _BASE64.fullmatch(value) else "is neither a URL nor Base64"


def _sentence(spec: ModelSpec, problem: Any) -> str:
    """Turn one of pydantic's findings into: field, value, limit."""
    name = ".".join(str(part) for part in problem["loc"]) or "payload"
    value, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return f"`{name}` is missing"
        case "string_too_long":
            return f"`{name}` has {len(value)} characters; the limit is {context['max_length']}"
        case "greater_than_equal" | "less_than_equal":
            limits = spec.options[name]
            assert isinstance(limits, Seconds)  # noqa: S101 -- only seconds have such limits
            return f"`{name}` is {value!r}; it must be {limits.least} to {limits.most} seconds"
        case "value_error":
            return f"`{name}` is {_short(value)}: it {context['error']}"
        case _:
            return f"`{name}` is {_short(value)}: {problem['msg']}"


def _spelled(value: object) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
