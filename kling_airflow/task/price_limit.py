"""``max_cost_usd``: a generation that costs more than its user allows is refused before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import amount_or_none
from kling_airflow.errors import GMIError, InvalidArgument
from kling_airflow.prices import price_usd

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import Log


def refuse_above_limit(limit: float | str | None, price: float | None, words: str) -> None:
    """Refuse a generation that costs more than its user allows.

    :param limit: ``max_cost_usd`` as it was given.
    :param price: US dollars; None if the price is not known.
    :param words: what is bought, for the error.
    :raises InvalidArgument: if it costs more, or its price is not known.
    """
    allowed = amount_or_none("max_cost_usd", limit)
    if allowed is None:
        return
    if price is None:
        raise InvalidArgument(
            f"`max_cost_usd` is {allowed:g}, and the price of {words} is not known: the catalog has none.",
            todo="Leave `max_cost_usd` out, or check the model's page.",
        )
    if price > allowed:
        raise InvalidArgument(f"`max_cost_usd` is {allowed:g}, and {words} costs ${price:.2f}.")


def catalog_price_usd(client: GMIClient, model: str, payload: Mapping[str, Any], log: Log) -> float | None:
    """Return what a payload costs, the queue's catalog asked; None if the price is not known now."""
    try:
        return price_usd(model, payload, description=client.model(model))
    except GMIError as error:
        log.warning("The catalog can't be asked what %s costs: %s", model, error.what)
        return None
