"""Faults of the catalogue of models: other prices, no prices, no answer."""

# ruff: noqa: D401 - the docstring of a fault says what happens; it is shown in the docs and on the page
from __future__ import annotations

from typing import Annotated, Any

from kling_airflow.simulator.faults.call import Answer, Call
from kling_airflow.simulator.faults.options import Between
from kling_airflow.simulator.faults.registry import Stage, register
from kling_airflow.simulator.queue.calls import MODEL, MODELS
from kling_airflow.simulator.queue.refusal import Refusal


@register("catalogue-price", Stage.CATALOGUE, (MODEL,), lasting=True)
def price(description: dict[str, Any], *, price: int = 900_000) -> None:
    """The catalogue shows another `price`, in micro-dollars a unit; what is billed does not change."""
    unit = description["price_info"]["unit"]
    description["price_info"] = description["price_info"] | {"price": price}
    description["pricing_details"] = f"${price / 1e6:g} per {unit}"


@register("catalogue-no-price", Stage.CATALOGUE, (MODEL,), lasting=True)
def no_price(description: dict[str, Any]) -> None:
    """The catalogue shows no price."""
    description["price_info"] = None
    description["pricing_details"] = ""


@register("catalogue-error", Stage.INSTEAD, (MODEL, MODELS), lasting=True)
def error(call: Call, *, status: Annotated[int, Between(500, 599)] = 503) -> Answer:
    """The catalogue answers a 5xx `status`."""
    return Refusal(status, "the model catalogue is not available")
