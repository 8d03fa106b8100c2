"""What a model is asked: options checked against the table of models, and the JSON that the queue takes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
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

from kling_airflow.arguments import is_literal, unsendable
from kling_airflow.errors import InvalidArgument
from kling_airflow.models import Choice, ModelSpec, Number, Option, Seconds, Switch, Text, spec_of
from kling_airflow.nested import with_values
from kling_airflow.prices import price_usd
from kling_airflow.redaction import shown_value
from kling_airflow.yaml_habits import range_hint, yaml_hint

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
_FRAME = "a frame"
"""Stands for a frame that is not delivered yet."""
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
    def of(cls, model: str, *, frames: Collection[str] = (), **given: Any) -> Self:
        """Check what a user gives and return it; an option that is None, or left out, takes its default.

        :param model: the model's id.
        :param frames: the places of the payload that frames will fill, for rules that look at them.
        :raises InvalidArgument: naming each option that breaks a limit, its value, and the limit; and each
            that the model does not have, with the names that it has.
        """
        spec = spec_of(model)
        return cls(spec, _checked(spec, given, later=frozenset(), frames=frames))

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

    def to_json(self) -> dict[str, Any]:
        """Return the options as the queue wants them: strings (documented), and the lists of some models.

        What is absent is left out.
        """
        return {
            name: _spelled(value, self.spec.options[name])
            for name, value in self.values.items()
            if value not in (None, "", [])
        }

    def payload(self, frames: Mapping[str, str]) -> dict[str, Any]:
        """Return the whole payload.

        :param frames: by the place in the payload (``image``, ``image_list.0.image_url``): an http(s) URL
            that anyone can read, or plain Base64.
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
        return with_values(self.to_json(), frames)

    @property
    def duration(self) -> int | None:
        """Seconds of clip; None for a model without that option, or if an input video decides."""
        if self.spec.price is not None and self.spec.price.follows_input(self.to_json()):
            return None
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
        seconds = "as long as its video" if self.duration is None else f"{self.duration} s"
        return f"this clip ({seconds}{' with sound' if self.sound else ''})"


def _checked(
    spec: ModelSpec, given: Mapping[str, Any], *, later: Collection[str], frames: Collection[str] = ()
) -> dict[str, Any]:
    """Return all options of a model in their Python types.

    :param frames: the places of the payload that frames will fill.
    :param later: options whose values are not known yet, so that nothing can be missing for them.
    :raises InvalidArgument: naming everything that is wrong.
    """
    values, problems = _read(spec, given)
    found = [problem for name, problem in problems.items() if name not in later]
    if not problems and not later:
        found = spec.rules(with_values(ClipOptions(spec, values).to_json(), dict.fromkeys(frames, _FRAME)))
    if found:
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
            return Annotated[str, Field(max_length=most), AfterValidator(_not_blank), _TEXT], ...
        case Text(most):
            return Annotated[str, Field(max_length=most), _TEXT] | None, None
        case Seconds(least, most, default):
            return Annotated[int, BeforeValidator(_whole_seconds), Field(ge=least, le=most)], default
        case Switch(default):
            return Annotated[bool, BeforeValidator(_switch)], default
        case Choice(values, None):
            kind = Annotated[str | None, BeforeValidator(_one_of((*values, None)))]
            return kind, ... if option.required else None
        case Choice(values, default):
            return Annotated[str, BeforeValidator(_one_of(values))], default
        case Number(least, most):
            return Annotated[float, Field(ge=least, le=most)] | None, None
        case _:
            return Any, ... if getattr(option, "required", False) else None


def _whole_seconds(value: object) -> object:
    """Read a number as templates render it, as text; a switch or a fraction is no number of seconds."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, str) and value.strip().removesuffix(".0").isdecimal():
        value = float(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0:
        return int(value)
    raise ValueError("must be a whole number of seconds")


def _switch(value: object) -> object:
    """Read a switch as templates render it, as "True"."""
    if isinstance(value, bool):
        return value
    known = _SWITCH.get(str(value).strip().lower())
    if known is None:
        raise ValueError("must be true or false")
    return known


def _sendable(value: object) -> object:
    """Refuse a text that the queue, or Airflow's database, can't take."""
    if not isinstance(value, str):
        raise ValueError("must be a text")  # noqa: TRY004 -- what pydantic collects
    if problem := unsendable(value):
        raise ValueError(problem)
    return value


_TEXT = BeforeValidator(_sendable)


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _one_of(values: tuple[str | None, ...]) -> Any:
    def check(value: object) -> object:
        if value not in values:
            raise ValueError(f"must be one of {', '.join(filter(None, values))}")
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
            assert isinstance(limits, Seconds | Number)  # noqa: S101 -- only these have such limits
            unit = " seconds" if isinstance(limits, Seconds) else ""
            hint = range_hint(value, limits.least, limits.most).rstrip(".")
            known = f"{limits.least} to {limits.most}{unit}{'.' if hint else ''}"
            return f"`{name}` is {shown_value(value)}; it must be {known}{hint}"
        case "value_error":
            option = spec.options.get(name)
            words = option.values if isinstance(option, Choice) else ()
            hint = yaml_hint(value, words, text=isinstance(option, Choice | Text)).rstrip(".")
            return f"`{name}` is {_short(value)}: it {context['error']}{'.' if hint else ''}{hint}"
        case _:
            return f"`{name}` is {_short(value)}: {problem['msg']}"


def _spelled(value: Any, option: Option) -> Any:
    """Return an option's value as the queue spells it: a switch as on or off, a text, a length as text."""
    if isinstance(option, Switch):
        return "on" if value else "off"
    return str(value) if isinstance(option, Text | Seconds | Choice) else value


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
