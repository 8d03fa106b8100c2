"""Checks a payload as the service does, before money is held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.simulator.queue.catalog import Model, Parameter
    from kling_airflow.simulator.settings import Settings

MISSING = "Required parameter is missing"
WEBHOOK = "webhook"
"""A key that the vendor documents for one model, and that is recorded for every one."""


def payload_problems(model: Model, payload: dict[str, Any], settings: Settings) -> list[str]:
    """Return what is wrong with a payload, one `key (reason)` for each offending key.

    Two users recorded the text of a missing parameter, and one client looks for "allowed options" in that of
    a wrong value; the other texts are assumed. Rules that span several keys are looked at last.
    """
    known = {parameter.name for parameter in model.parameters}
    problems = []
    for parameter in model.parameters:
        reason = _problem(parameter, payload.get(parameter.name), settings)
        if reason:
            problems.append(f"{parameter.name} ({reason})")
    if settings.unknown_keys == "refuse":
        problems += [f"{key} (Unknown parameter)" for key in payload if key not in known | {WEBHOOK}]
    return problems or model.rules(payload)


def _problem(parameter: Parameter, value: Any, settings: Settings) -> str | None:
    if value is None or value in ("", []):
        return MISSING if parameter.required else None
    check = _CHECKS[parameter.type]
    return check(parameter, value, settings)


def _string(parameter: Parameter, value: Any, settings: Settings) -> str | None:
    if not isinstance(value, str):
        return "Value must be a string"
    if parameter.required and not value.strip():
        return MISSING
    if parameter.max_length and len(value) > parameter.max_length:
        return f"Value must be at most {parameter.max_length} characters"
    return None


def _image(parameter: Parameter, value: Any, settings: Settings) -> str | None:
    return None if isinstance(value, str) else "Value must be a URL or a Base64 string"


def _enum(parameter: Parameter, value: Any, settings: Settings) -> str | None:
    if isinstance(value, int) and not settings.strict_enums:
        value = str(value)
    if not isinstance(value, str) or value not in parameter.options:
        return f"Value must be one of the allowed options: {', '.join(parameter.options)}"
    return None


def _number(parameter: Parameter, value: Any, settings: Settings) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "Value must be a number"
    if parameter.type == "integer" and value != int(value):
        return "Value must be an integer"
    low, high = parameter.min_value, parameter.max_value
    if (low is not None and value < low) or (high is not None and value > high):
        return f"Value must be between {low:g} and {high:g}"
    return None


_CHECKS = {
    "string": _string,
    "image": _image,
    "video": _image,
    "json": lambda parameter, value, settings: None,
    "enum": _enum,
    "float": _number,
    "integer": _number,
}
