"""Checks a payload against the catalog's description of its model (``GET /models/{id}``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kling_airflow.errors import InvalidArgument


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
    if (
        isinstance(options, list)
        and options
        and str(value) not in {str(_option(option)) for option in options}
    ):
        yield f"`{name}` is {value!r}, not one of {', '.join(str(_option(option)) for option in options)}"
    minimum, maximum = parameter.get("min_value"), parameter.get("max_value")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if isinstance(minimum, int | float) and value < minimum:
            yield f"`{name}` is {value}, and the minimum is {minimum:g}"
        if isinstance(maximum, int | float) and value > maximum:
            yield f"`{name}` is {value}, and the maximum is {maximum:g}"


def _option(option: Any) -> Any:
    """Read an option: a value, or an object that holds the value."""
    return option.get("value", option.get("name")) if isinstance(option, Mapping) else option


def _parameters(description: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the parameters by name; an empty dict if the catalog describes no readable parameter."""
    listed = description.get("parameters")
    return {
        str(parameter["name"]): parameter
        for parameter in (listed if isinstance(listed, list) else [])
        if isinstance(parameter, Mapping) and parameter.get("name")
    }
