"""The order of a payload that is sent unchanged: no upload, and no marker in the queue's list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.prices import price_usd
from kling_airflow.task.price_limit import catalog_price_usd, check_price

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import DeliveredFrames, Log, Order


def payload_order(
    client: GMIClient,
    model: str,
    payload: Mapping[str, Any],
    *,
    take: int,
    max_cost_usd: float | str | None,
    check_payload: bool | None,
    words: str,
    log: Log,
    generation: int = 0,
) -> Order:
    """Return the order of a payload that is sent unchanged.

    The payload is checked, and its price held against the limit, only when it is about to be sent: what was
    bought before is found again whatever the catalog and the table of models say now.

    :param check_payload: hold the payload against the model's entry in the table of models, if it has one;
        with True against the catalog's schema, too; with False against neither.
    :param words: what is bought, for errors.
    :param generation: what makes the order of a cleared task another order; 0 if a clear keeps it.
    """
    from kling_airflow.gmi import catalog
    from kling_airflow.gmi.json_body import json_body
    from kling_airflow.models import refuse_payload
    from kling_airflow.submission.order import DeliveredFrames, Order
    from kling_airflow.submission.record import fingerprint

    json_body({"payload": payload})
    # The queue's echo leaves out what is null, and so does the comparison with it.
    asked = {name: value for name, value in payload.items() if value is not None}

    def deliver(order_id: str, marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
        description = client.model(model) if check_payload else None
        if description is not None:
            catalog.check(model, description, payload)
        if check_payload is not False:
            refuse_payload(model, payload)
        if description is None and max_cost_usd is None:
            client.check()  # nothing has spoken to the queue yet: find a wrong key or address for free
        check_price(
            client, model, payload, max_cost_usd=max_cost_usd, words=words, log=log, description=description
        )
        return DeliveredFrames()

    return Order(
        model,
        fingerprint(
            model,
            payload,
            {},
            base_url=client.protocol.base_url,
            organization_id=client.protocol.organization_id,
            generation=generation,
        ),
        take,
        deliver,
        lambda _: payload,
        asked,
        price_usd=price_usd(model, payload),
        ask_price=lambda: catalog_price_usd(client, model, payload, log),
    )
