"""The order of a payload that is sent unchanged: no upload, and no marker in the queue's list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import amount_or_none
from kling_airflow.prices import price_usd
from kling_airflow.task.price_limit import refuse_above_limit

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.submission.order import DeliveredFrames, Order


def payload_order(
    client: GMIClient,
    model: str,
    payload: Mapping[str, Any],
    *,
    take: int,
    max_cost_usd: float | str | None,
    check_payload: bool,
    words: str,
) -> Order:
    """Return the order of a payload that is sent unchanged.

    The payload is checked against the catalog, and its price against the limit, only when it is about to be
    sent: what was bought before is found again whatever the catalog says now.

    :param words: what is bought, for errors.
    """
    from kling_airflow.gmi import catalog
    from kling_airflow.submission.order import DeliveredFrames, Order
    from kling_airflow.submission.reconcile import asks_the_same
    from kling_airflow.submission.record import fingerprint

    # The queue's echo leaves out what is null, and so does the comparison with it.
    asked = {name: value for name, value in payload.items() if value is not None}

    def deliver(marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
        if check_payload or amount_or_none("max_cost_usd", max_cost_usd) is not None:
            description = client.model(model)
            if check_payload:
                catalog.check(model, description, payload)
            refuse_above_limit(max_cost_usd, price_usd(model, payload, description=description), words)
        else:
            client.check()  # nothing has spoken to the queue yet: find a wrong key or address for free
        return DeliveredFrames()

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
        lambda _: payload,
        lambda echo: asks_the_same(echo, asked),
    )
