"""The order of a payload with frames: they are read and checked for free, then delivered, then it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_airflow.task.price_limit import catalog_price_usd, check_price

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.hooks.allowed_addresses import WrittenPlaces
    from kling_airflow.payloads import ClipOptions
    from kling_airflow.submission.order import DeliveredFrames, Log, Order
    from kling_airflow.submission.source_frame import ImageDelivery, SourceFrame


@dataclass(frozen=True)
class FrameReader:
    """Reads the frames that an operator's arguments name.

    :param written: the places that the DAG's code names for these arguments.
    :param conn_id: the connection of the frames' store; None for the store's default.
    :param how: how the frames get to the queue.
    :param log: gets a warning about a frame that is passed on unchecked.
    """

    written: WrittenPlaces
    conn_id: str | None
    how: ImageDelivery
    log: Log

    def frame(self, name: str, source: object) -> SourceFrame:
        """Read and check a frame.

        :param name: the argument, for errors; ``references.0`` for an entry of a list.
        :raises InvalidArgument: naming the argument, its value and the limit.
        """
        from kling_airflow.media.limits import MAX_FRAME_BYTES
        from kling_airflow.submission.source_frame import read_source

        return read_source(
            name,
            source,
            self.how,
            lambda uri, field: self._read(uri, field, MAX_FRAME_BYTES),
            lambda uri: self._presign(uri, name),
            self.log,
        )

    def video(self, name: str, source: object, *, seconds: tuple[int, int], max_bytes: int) -> SourceFrame:
        """Read and check an input video.

        :param seconds: the shortest and the longest that the queue takes.
        :param max_bytes: the largest file.
        :raises InvalidArgument: naming the argument, its value and the limit.
        """
        from kling_airflow.hooks.video_source import read_allowed_video
        from kling_airflow.submission.source_frame import read_source_video

        return read_source_video(
            name,
            source,
            self.how,
            lambda uri, field: read_allowed_video(
                uri, field, self.written, conn_id=self.conn_id, max_bytes=max_bytes
            ),
            lambda uri: self._presign(uri, name),
            self.log,
            seconds=seconds,
        )

    def _read(self, source: str, field: str, max_bytes: int) -> bytes:
        from kling_airflow.hooks.frame_source import read_allowed_frame

        return read_allowed_frame(source, field, self.written, conn_id=self.conn_id, max_bytes=max_bytes)

    def _presign(self, source: str, field: str) -> str:
        from kling_airflow.hooks.frame_source import presign_allowed

        return presign_allowed(source, field, self.written, conn_id=self.conn_id)


def frames_order(
    client: GMIClient,
    options: ClipOptions,
    frames: Mapping[str, SourceFrame],
    how: ImageDelivery,
    *,
    take: int,
    max_cost_usd: float | str | None,
    words: str,
    log: Log,
    generation: int = 0,
    identities: Mapping[str, str] | None = None,
) -> Order:
    """Return the order of options and frames.

    The price is held against the limit only when the payload is about to be sent: what was bought before is
    found again whatever the catalog says now.

    :param frames: by their place in the payload, the start frame first.
    :param words: what is bought, for errors.
    :param generation: what makes the order of a cleared task another order; 0 if a clear keeps it.
    :param identities: what identifies each frame in the order; None for what it shows.
    """
    from kling_airflow.submission.frame_delivery import deliver as deliver_frames
    from kling_airflow.submission.order import Order
    from kling_airflow.submission.record import fingerprint

    model, asked = options.spec.id, options.to_json()

    def deliver(order_id: str, marker: str | None, addresses: Mapping[str, str]) -> DeliveredFrames:
        check_price(client, model, asked, max_cost_usd=max_cost_usd, words=words, log=log)
        delivered = deliver_frames(
            frames, how, client, log, order_id=order_id, marker=marker, addresses=addresses
        )
        if not delivered.addresses:
            client.check()  # nothing has spoken to the queue yet: find a wrong key or address for free
        return delivered

    return Order(
        model,
        fingerprint(
            model,
            options.values,
            identities or {place: frame.identity for place, frame in frames.items()},
            base_url=client.protocol.base_url,
            organization_id=client.protocol.organization_id,
            generation=generation,
        ),
        take,
        deliver,
        options.payload,
        asked,
        frames,
        price_usd=options.price_usd,
        ask_price=lambda: catalog_price_usd(client, model, asked, log),
    )
