"""``max_cost_usd``: a generation that costs more than its user allows is refused before it is sent.

The limit fails closed: a limit that a template rendered empty, an unknown price, and a catalog that can't be
asked all refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import amount
from kling_airflow.errors import GMIError, InvalidArgument, Money, NotFound
from kling_airflow.prices import price_usd

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import Log


def limit_usd(max_cost_usd: float | str | None) -> float | None:
    """Read ``max_cost_usd``; None, and only None, is no limit.

    :raises InvalidArgument: for anything that is no amount, such as "" or "None" from an empty template.
    """
    return None if max_cost_usd is None else amount("max_cost_usd", max_cost_usd)


def refuse_above_limit(max_cost_usd: float | str | None, price: float | None, words: str) -> None:
    """Refuse a generation that costs more than its user allows.

    :param price: US dollars; None if the price is not known.
    :param words: what is bought, for the error.
    :raises InvalidArgument: if it costs more, or its price is not known.
    """
    allowed = limit_usd(max_cost_usd)
    if allowed is None:
        return
    if price is None:
        raise InvalidArgument(
            f"`max_cost_usd` is {allowed:g}, and the price of {words} is not known: the catalog has none.",
            todo="Leave `max_cost_usd` out, or check the model's page.",
        )
    if price > allowed:
        raise InvalidArgument(f"`max_cost_usd` is {allowed:g}, and {words} costs ${price:.2f}.")


def check_price(
    client: GMIClient,
    model: str,
    payload: Mapping[str, Any],
    *,
    max_cost_usd: float | str | None,
    words: str,
    log: Log,
    description: Mapping[str, Any] | None = None,
) -> None:
    """Refuse a payload that costs more than its user allows, by the higher of table and catalog price.

    Without a limit nothing is asked.

    :param payload: what is asked, frames aside, as the queue spells it.
    :param words: what is bought, for errors.
    :param description: the catalog's entry of the model, if this try has read it already.
    :raises InvalidArgument: if it costs more, or its price is not known.
    :raises GMIError: if the catalog can't be asked now; nothing was sent.
    """
    if limit_usd(max_cost_usd) is None:
        return
    if description is None:
        description = _description(client, model, payload, log)
    refuse_above_limit(max_cost_usd, price_usd(model, payload, description=description), words)


def _description(
    client: GMIClient, model: str, payload: Mapping[str, Any], log: Log
) -> Mapping[str, Any] | None:
    """Ask the catalog; None if the catalog doesn't know the model, but the table of models has its price."""
    try:
        return client.model(model)
    except NotFound:
        if price_usd(model, payload) is None:
            raise
        log.warning("The catalog doesn't know %s: `max_cost_usd` goes by this package's price table.", model)
        return None
    except GMIError as error:
        raise error.with_money(
            Money.UNSPENT, todo=f"`max_cost_usd` needs the price of {model}. Run the task again later."
        ) from error


def catalog_price_usd(client: GMIClient, model: str, payload: Mapping[str, Any], log: Log) -> float | None:
    """Return what a payload costs, the queue's catalog asked; None if the price is not known now."""
    try:
        return price_usd(model, payload, description=client.model(model))
    except GMIError as error:
        log.warning("The catalog can't be asked what %s costs: %s", model, error.what)
        return None
