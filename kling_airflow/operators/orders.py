"""What an operator orders: a payload sent as it is, and what it may cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.gmi.errors import GMIError, InvalidPayload
from kling_airflow.operators.arguments import dollars

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import Delivery, Log, Order


def refuse_dear(limit: float | str | None, price: float | None, words: str) -> None:
    """Refuse a generation that costs more than its user allows.

    :param limit: ``max_cost_usd`` as it was given.
    :param price: US dollars; None where nobody knows.
    :param words: what is bought, for the error.
    :raises InvalidPayload: if it costs more, or nobody knows what it costs.
    """
    allowed = dollars("max_cost_usd", limit)
    if allowed is None:
        return
    if price is None:
        raise InvalidPayload(
            f"`max_cost_usd` is {allowed:g}, and nobody knows what {words} costs: the catalog has no price.",
            todo="Leave `max_cost_usd` out, or check the model's page.",
        )
    if price > allowed:
        raise InvalidPayload(f"`max_cost_usd` is {allowed:g}, and {words} costs ${price:.2f}.")


def price_usd(client: GMIClient, model: str, payload: Mapping[str, Any], log: Log) -> float | None:
    """Return what a payload costs by the catalog; None where it doesn't say, or can't be asked now."""
    from kling_airflow.gmi import catalog

    try:
        return catalog.price_usd(client.model(model), payload)
    except GMIError as error:
        log.warning("The catalog can't be asked what %s costs: %s", model, error.what)
        return None


def plain_order(
    client: GMIClient,
    model: str,
    payload: Mapping[str, Any],
    *,
    take: int,
    max_cost_usd: float | str | None,
    check_payload: bool,
    words: str,
) -> Order:
    """Return the order of a payload that is sent as it is.

    :param words: what is bought, for errors.
    It is held against the catalog, and what it may cost, when it is about to be sent: what was bought
    before is found again whatever the catalog says now.

    """
    from kling_airflow.gmi import catalog
    from kling_airflow.submission.order import Delivery, Order
    from kling_airflow.submission.reconcile import asks_the_same
    from kling_airflow.submission.record import fingerprint

    # The queue's echo leaves out what is null, and so does the comparison with it.
    asked = {name: value for name, value in payload.items() if value is not None}

    def deliver(marker: str | None, delivered: Mapping[str, str]) -> Delivery:
        if check_payload or dollars("max_cost_usd", max_cost_usd) is not None:
            description = client.model(model)
            if check_payload:
                catalog.check(model, description, payload)
            refuse_dear(max_cost_usd, catalog.price_usd(description, payload), words)
        else:
            client.check()  # nothing has spoken to the queue yet: find a wrong key or address for free
        return Delivery(payload)

    return Order(
        model,
        fingerprint(
            model,
            payload,
            {},
            base_url=client.protocol.base_url,
            organization_id=client.protocol.organization_id,
        ),
        take,
        deliver,
        lambda echo: asks_the_same(echo, asked),
    )
