"""Checks a payload against the catalog's description of its model (``GET /models/{id}``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kling_airflow.errors import InvalidArgument
from kling_airflow.redaction import shown_value


def check(model: str, description: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
    """Check a payload against the catalog's schema.

    :param description: the catalog's entry.
    :raises InvalidArgument: it names each key that does not fit, its value, and the values that fit.
    """
    parameters = _parameters(description)
    problems = [f"`{name}` is not a parameter" for name in payload if parameters and name not in parameters]
    for name, parameter in parameters.items():
        problems += _problems(name, parameter, payload)
    if problems:
        raise InvalidArgument(f"The payload does not fit {model}: {'; '.join(problems)}.")


def _problems(name: str, parameter: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[str]:
    value = payload.get(name)
    if value is None:  # the queue treats null as absent
        if parameter.get("required"):
            yield f"`{name}` is missing"
        return
    options = parameter.get("options")
    if isinstance(options, list) and options:
        allowed = [_text(_option(option)) for option in options]
        if _text(value) not in allowed:
            yield f"`{name}` is {shown_value(value)}, not one of {', '.join(allowed)}"
    minimum, maximum = parameter.get("min_value"), parameter.get("max_value")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(minimum, int | float) and value < minimum:
            yield f"`{name}` is {shown_value(value)}, and the minimum is {_number(minimum)}"
        if isinstance(maximum, int | float) and value > maximum:
            yield f"`{name}` is {shown_value(value)}, and the maximum is {_number(maximum)}"


def _text(value: object) -> str:
    try:
        return str(value)
    except (ValueError, RecursionError):  # thousands of digits, or nested too deeply
        return shown_value(value)


def _number(value: float) -> str:
    try:
        return f"{value:g}"
    except OverflowError:  # an integer with hundreds of digits
        return shown_value(value)


def _option(option: Any) -> Any:
    """Read an option: a value, or an object that holds the value."""
    return option.get("value", option.get("name")) if isinstance(option, Mapping) else option


def _parameters(description: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the parameters by name; an empty dict if the catalog describes no readable parameter."""
    listed = description.get("parameters")
    return {
        parameter["name"]: parameter
        for parameter in (listed if isinstance(listed, list) else [])
        if isinstance(parameter, Mapping) and isinstance(parameter.get("name"), str) and parameter["name"]
    }
