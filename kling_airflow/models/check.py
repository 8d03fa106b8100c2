"""Checks a whole payload, as the queue spells it, against its model's entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kling_airflow.errors import InvalidArgument
from kling_airflow.models.entry import Address, Choice, Items, Number, Option, Seconds, Switch, Text
from kling_airflow.models.table import MODELS
from kling_airflow.redaction import shown_value
from kling_airflow.yaml_habits import range_hint


def refuse_payload(model: str, payload: Mapping[str, Any]) -> None:
    """Refuse a payload that its model's entry doesn't allow; a model without an entry allows any.

    :raises InvalidArgument: naming each field that is wrong, its value and the limit.
    """
    if problems := payload_problems(model, payload):
        raise InvalidArgument(f"The payload does not fit {model}: {'; '.join(problems)}.")


def payload_problems(model: str, payload: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a payload: field, value and limit, a text for each.

    A field that the entry doesn't have is no problem: how the queue treats one is not known, and the vendor
    may have added it.
    """
    spec = MODELS.get(model)
    if spec is None:
        return []
    found = [] if not spec.start_frame or payload.get(spec.start_frame) else [_missing(spec.start_frame)]
    for name, option in spec.options.items():
        found += _problems(name, option, payload.get(name))
    return found + spec.rules(payload)


def _problems(name: str, option: Option, value: Any) -> list[str]:
    if value is None or value in ("", []):
        return [_missing(name)] if getattr(option, "required", False) else []
    match option:
        case Text(most):
            return _text(name, value, most)
        case Seconds(least, most):
            whole = str(value).isdecimal() and not isinstance(value, bool) and len(str(value)) < 9
            fits = whole and least <= int(value) <= most
            return [] if fits else [_wrong(name, value, f"must be {least} to {most} seconds", least, most)]
        case Switch():
            return [] if value in ("on", "off") else [_wrong(name, value, "must be on or off")]
        case Choice(values):
            fits = str(value) in values and not isinstance(value, bool)
            return [] if fits else [_wrong(name, value, f"must be one of {', '.join(values)}")]
        case Number(least, most):
            fits = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
            limit = f"must be a number from {least:g} to {most:g}"
            return [] if fits else [_wrong(name, value, limit, least, most)]
        case Address():
            return [] if isinstance(value, str) else [_wrong(name, value, "must be an address or Base64")]
        case Items(most):
            if not isinstance(value, list | tuple):
                return [_wrong(name, value, "must be a list")]
            too_many = most is not None and len(value) > most
            return [f"`{name}` has {len(value)} entries; the limit is {most}"] if too_many else []
    return []


def _text(name: str, value: Any, most: int) -> list[str]:
    if not isinstance(value, str):
        return [_wrong(name, value, "must be a text")]
    return [f"`{name}` has {len(value)} characters; the limit is {most}"] if len(value) > most else []


def _missing(name: str) -> str:
    return f"`{name}` is missing"


def _wrong(name: str, value: Any, limit: str, least: float | None = None, most: float | None = None) -> str:
    """Say what is wrong with a value; with its range, what YAML may have made of it, too."""
    hint = "" if least is None or most is None else range_hint(value, least, most).rstrip(".")
    return f"`{name}` is {shown_value(value)}; it {limit}{'.' if hint else ''}{hint}"
