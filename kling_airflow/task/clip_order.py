"""The order of a clip that begins on a frame: what is asked, and how its frames get to the queue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kling_airflow.task.price_limit import catalog_price_usd, check_price

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.payloads import ClipOptions
    from kling_airflow.submission.order import DeliveredFrames, Log, Order
    from kling_airflow.submission.source_frame import ImageDelivery, SourceFrame


def frame_order(
    client: GMIClient,
    options: ClipOptions,
    frames: Mapping[str, SourceFrame],
    how: ImageDelivery,
    *,
    take: int,
    max_cost_usd: float | str | None,
    log: Log,
    generation: int = 0,
    identities: Mapping[str, str] | None = None,
) -> Order:
    """Return the order of a clip that begins on a frame.

    :param options: the model and what is asked of it.
    :param frames: by the payload's field, the start frame first; each was read and checked.
    :param how: how the frames get to the queue.
    :param max_cost_usd: refuses, before anything is sent, a clip that costs more; None for no limit.
    :param identities: what identifies each frame in the order; None for what it shows.
    :param generation: what makes the order of a cleared task another order; 0 if a clear keeps it.
    """
    from kling_airflow.submission.frame_delivery import deliver
    from kling_airflow.submission.order import Order
    from kling_airflow.submission.record import fingerprint

    def checked_delivery(order_id: str, marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
        payload, words = options.to_json(), str(options)
        check_price(client, options.spec.id, payload, max_cost_usd=max_cost_usd, words=words, log=log)
        delivered = deliver(frames, how, client, log, order_id=order_id, marker=marker, addresses=addresses)
        if not delivered.addresses:
            client.check()  # nothing has spoken to the queue yet: find a wrong key or address for free
        return delivered

    return Order(
        options.spec.id,
        fingerprint(
            options.spec.id,
            options.values,
            identities or {name: frame.identity for name, frame in frames.items()},
            base_url=client.protocol.base_url,
            organization_id=client.protocol.organization_id,
            generation=generation,
        ),
        take,
        checked_delivery,
        options.payload,
        options.to_json(),
        frames,
        price_usd=options.price_usd,
        ask_price=lambda: catalog_price_usd(client, options.spec.id, options.to_json(), log),
    )
