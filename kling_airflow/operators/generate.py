"""Generations of Kling v3: from frames, and from a prompt alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kling_airflow.gmi import kling
from kling_airflow.operators.arguments import whole_number
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.operators.orders import plain_order, price_usd, refuse_dear

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.gmi.payload import ClipOptions, TextToVideo
    from kling_airflow.submission.delivery import ImageDelivery, SourceFrame
    from kling_airflow.submission.order import Delivery, Order


class KlingImageToVideoOperator(GenerationOperator):
    """Submit one or two frames and a prompt to Kling v3; return the request id, or wait for the clip.

    Each clip costs money: $0.168 a second, $0.252 with sound. A retry or a clear of this task returns the
    request that was paid for, as long as it asks for the same: another prompt, frame or option is another
    order, and ``take=2`` orders the same once more.

    What is not described here is described at :class:`GenerationOperator`.

    :param image: the start frame: any object-storage URI (``s3://``, ``gs://``, ``file://`` ...) or an
        http(s) URL; templated.
    :param prompt: what happens in the clip, 1 to 2500 characters; templated.
    :param image_tail: the end frame, alike; templated.
    :param negative_prompt: what to keep out, up to 2500 characters; templated.
    :param duration: seconds, 3 to 15; templated.
    :param sound: whether the clip gets an audio track; templated.
    :param max_cost_usd: refuse, before anything is sent, a clip that costs more. Per clip: a mapped task
        multiplies it; templated.
    :param image_delivery: how the frames get to the queue: ``auto``, ``upload``, ``base64`` or ``url``;
        templated.
    :param image_conn_id: the connection of the frames' store; None for the store's default; templated.
    """

    template_fields: Sequence[str] = (
        "image",
        "prompt",
        "image_tail",
        "negative_prompt",
        "duration",
        "sound",
        "max_cost_usd",
        "image_delivery",
        "image_conn_id",
        *GenerationOperator.template_fields,
    )

    def __init__(
        self,
        *,
        image: str,
        prompt: str,
        image_tail: str | None = None,
        negative_prompt: str | None = None,
        duration: int | str = kling.DURATION_DEFAULT,
        sound: bool | str = False,
        max_cost_usd: float | str | None = None,
        image_delivery: str = "auto",
        image_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image = image
        self.prompt = prompt
        self.image_tail = image_tail
        self.negative_prompt = negative_prompt
        self.duration = duration
        self.sound = sound
        self.max_cost_usd = max_cost_usd
        self.image_delivery = image_delivery
        self.image_conn_id = image_conn_id

    def _model(self) -> str:
        return kling.IMAGE_TO_VIDEO

    def _asked(self) -> dict[str, Any]:
        options = self._options()
        return {"duration": options.duration, "sound": options.sound, "cost_usd": options.price_usd}

    def _options(self) -> ClipOptions:
        from kling_airflow.gmi.payload import ClipOptions

        return ClipOptions.of(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt or None,
            duration=self.duration,
            sound=self.sound,
        )

    def _order(self, client: GMIClient) -> Order:
        from kling_airflow.submission.delivery import ImageDelivery, read_source
        from kling_airflow.submission.order import Order
        from kling_airflow.submission.reconcile import asks_the_same
        from kling_airflow.submission.record import fingerprint

        options = self._options()
        take = whole_number("take", self.take, least=1)
        how = ImageDelivery.read(self.image_delivery)
        frames = {
            name: read_source(name, source, how, self._read_frame, self._presign, self.log)
            for name, source in (("image", self.image), ("image_tail", self.image_tail))
            if source or name == "image"
        }
        print_ = fingerprint(
            kling.IMAGE_TO_VIDEO,
            options.model_dump(),
            {name: frame.identity for name, frame in frames.items()},
            base_url=client.protocol.base_url,
            organization_id=client.protocol.organization_id,
        )

        def deliver(marker: str | None, delivered: Mapping[str, str]) -> Delivery:
            return self._deliver(options, frames, how, client, marker=marker, delivered=delivered)

        def matches(payload: Mapping[str, Any]) -> bool | None:
            addresses = {name: frame.address() for name, frame in frames.items()}
            return asks_the_same(payload, options.to_json(), addresses)

        return Order(kling.IMAGE_TO_VIDEO, print_, take, deliver, matches)

    def _deliver(
        self,
        options: ClipOptions,
        frames: Mapping[str, SourceFrame],
        how: ImageDelivery,
        client: GMIClient,
        *,
        marker: str | None,
        delivered: Mapping[str, str],
    ) -> Delivery:
        from kling_airflow.gmi.payload import ImageToVideo
        from kling_airflow.submission.delivery import deliver

        refuse_dear(self.max_cost_usd, options.price_usd, _words(options))
        delivery = deliver(frames, how, client, self.log, marker=marker, delivered=delivered)
        if not delivery.frames:
            client.check()  # nothing has spoken to the queue yet: find a wrong key or address for free
        payload = ImageToVideo.of(**options.model_dump(), **delivery.payload)
        return replace(delivery, payload=payload.to_json())

    def _read_frame(self, source: str, field: str) -> bytes:
        from kling_airflow.hooks.storage import read_frame
        from kling_airflow.media.frame_check import MAX_FRAME_BYTES

        return read_frame(source, conn_id=self.image_conn_id, max_bytes=MAX_FRAME_BYTES, field=field)

    def _presign(self, source: str) -> str:
        from kling_airflow.hooks.storage import presign

        return presign(source, conn_id=self.image_conn_id)


class KlingTextToVideoOperator(GenerationOperator):
    """Submit a prompt alone to Kling v3; return the request id, or wait for the clip.

    Without a frame nothing marks the request in the queue's list. A lost answer is then found by what was
    asked, and adopted only if the ledger can claim it (``ledger="s3://..."``); otherwise a person decides.

    What is not described here is described at :class:`GenerationOperator`.

    :param prompt: what happens in the clip, 1 to 2500 characters; templated.
    :param negative_prompt: what to keep out, up to 2500 characters; templated.
    :param duration: seconds, 3 to 15; templated.
    :param sound: whether the clip gets an audio track; templated.
    :param aspect_ratio: ``16:9``, ``9:16`` or ``1:1``; templated.
    :param max_cost_usd: refuse, before anything is sent, a clip that costs more by the queue's catalog;
        templated.
    """

    template_fields: Sequence[str] = (
        "prompt",
        "negative_prompt",
        "duration",
        "sound",
        "aspect_ratio",
        "max_cost_usd",
        *GenerationOperator.template_fields,
    )

    def __init__(
        self,
        *,
        prompt: str,
        negative_prompt: str | None = None,
        duration: int | str = kling.DURATION_DEFAULT,
        sound: bool | str = False,
        aspect_ratio: str = kling.ASPECT_RATIOS[0],
        max_cost_usd: float | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.negative_prompt = negative_prompt
        self.duration = duration
        self.sound = sound
        self.aspect_ratio = aspect_ratio
        self.max_cost_usd = max_cost_usd

    def _model(self) -> str:
        return kling.TEXT_TO_VIDEO

    def _asked(self) -> dict[str, Any]:
        options = self._options()
        return {"duration": options.duration, "sound": options.sound}

    def _price_usd(self, client: GMIClient) -> float | None:
        return price_usd(client, kling.TEXT_TO_VIDEO, self._options().to_json(), self.log)

    def _options(self) -> TextToVideo:
        from kling_airflow.gmi.payload import TextToVideo

        return TextToVideo.of(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt or None,
            duration=self.duration,
            sound=self.sound,
            aspect_ratio=self.aspect_ratio,
        )

    def _order(self, client: GMIClient) -> Order:
        options = self._options()
        return plain_order(
            client,
            kling.TEXT_TO_VIDEO,
            options.to_json(),
            take=whole_number("take", self.take, least=1),
            max_cost_usd=self.max_cost_usd,
            check_payload=False,
            words=_words(options),
        )


def _words(options: ClipOptions) -> str:
    return f"this clip ({options.duration} s{' with sound' if options.sound else ''})"
