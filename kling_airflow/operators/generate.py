"""Submits a generation: one order, one request, however often the task runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from kling_airflow.exceptions import airflow_errors
from kling_airflow.gmi import kling
from kling_airflow.gmi.errors import InvalidPayload
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.links import ConsoleLink, push_request

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.gmi.payload import ClipOptions
    from kling_airflow.submission.delivery import ImageDelivery, SourceFrame
    from kling_airflow.submission.ledger import Ledger
    from kling_airflow.submission.submit import Delivery, Order


class KlingImageToVideoOperator(BaseOperator):
    """Submit one or two frames and a prompt to Kling v3, and return the request id.

    Each clip costs money: $0.168 a second, $0.252 with sound. A retry or a clear of this task returns the
    request that was paid for, as long as it asks for the same: another prompt, frame or option is another
    order, and ``take=2`` orders the same once more.

    :param image: the start frame: any object-storage URI (``s3://``, ``gs://``, ``file://`` ...) or an
        http(s) URL; templated.
    :param prompt: what happens in the clip, 1 to 2500 characters; templated.
    :param image_tail: the end frame, alike; templated.
    :param negative_prompt: what to keep out, up to 2500 characters; templated.
    :param duration: seconds, 3 to 15; templated.
    :param sound: whether the clip gets an audio track; templated.
    :param max_cost_usd: refuse, before anything is sent, a clip that costs more; templated.
    :param image_delivery: how the frames get to the queue: ``auto``, ``upload``, ``base64`` or ``url``;
        templated.
    :param image_conn_id: the connection of the frames' store; None for the store's default.
    :param gmi_conn_id: the queue's connection.
    :param take: which take of the same order, 1 for the first; templated.
    :param durable: remember the submission in Airflow's task state store. False is your word that a crash
        may buy the clip twice.
    :param submit_timeout: seconds to keep trying while the queue says "not now"; a number or a timedelta.
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
        "gmi_conn_id",
        "take",
    )
    operator_extra_links = (ConsoleLink(),)
    ui_color = "#dcfce7"

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
        gmi_conn_id: str = GMICloudHook.default_conn_name,
        take: int | str = 1,
        durable: bool = True,
        submit_timeout: float | timedelta = 600.0,
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
        self.gmi_conn_id = gmi_conn_id
        self.take = take
        self.durable = durable
        self.submit_timeout = submit_timeout

    def execute(self, context: Context) -> str:
        """Check everything that can be checked for free, then submit, or find what was submitted."""
        from kling_airflow.submission.submit import Submitter

        with airflow_errors():
            self._refuse_short_execution_timeout()
            options = self._options()
            client = GMICloudHook(self.gmi_conn_id).get_conn()
            order = self._order(options, client)
            submitter = Submitter(
                client, self._ledger(context), self.log, patience=_seconds(self.submit_timeout)
            )
            submitted = submitter.submit(order)
        push_request(context, submitted.request_id, client.protocol.base_url)
        return submitted.request_id

    def _options(self) -> ClipOptions:
        from kling_airflow.gmi.payload import ClipOptions

        options = ClipOptions.of(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt or None,
            duration=self.duration,
            sound=self.sound,
        )
        limit = _dollars(self.max_cost_usd)
        if limit is not None and options.price_usd > limit:
            raise InvalidPayload(
                f"`max_cost_usd` is {limit:g}, and this clip costs ${options.price_usd:.2f}"
                f" ({options.duration} s{' with sound' if options.sound else ''})."
            )
        return options

    def _order(self, options: ClipOptions, client: GMIClient) -> Order:
        from kling_airflow.submission.delivery import ImageDelivery, read_source
        from kling_airflow.submission.record import fingerprint
        from kling_airflow.submission.submit import Order

        how = ImageDelivery.read(self.image_delivery)
        frames = {
            name: read_source(name, source, how, self._read_frame, self._presign, self.log)
            for name, source in (("image", self.image), ("image_tail", self.image_tail))
            if source or name == "image"
        }
        return Order(
            model=kling.IMAGE_TO_VIDEO,
            fingerprint=fingerprint(
                kling.IMAGE_TO_VIDEO,
                options.model_dump(),
                {name: frame.identity for name, frame in frames.items()},
                base_url=client.protocol.base_url,
                organization_id=client.protocol.organization_id,
            ),
            take=_take(self.take),
            deliver=lambda marker, delivered: self._deliver(
                options, frames, how, client, marker=marker, delivered=delivered
            ),
        )

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
        from dataclasses import replace

        from kling_airflow.gmi.payload import ImageToVideo
        from kling_airflow.submission.delivery import deliver

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

    def _ledger(self, context: Context) -> Ledger:
        from kling_airflow.submission.ledger import MemoryLedger
        from kling_airflow.submission.task_state import TaskStateLedger

        return TaskStateLedger(context) if self.durable else MemoryLedger()

    def _refuse_short_execution_timeout(self) -> None:
        from kling_airflow.gmi.call import SUBMIT_TIMEOUTS

        if self.execution_timeout and self.execution_timeout.total_seconds() <= SUBMIT_TIMEOUTS.total:
            raise InvalidPayload(
                f"`execution_timeout` is {self.execution_timeout.total_seconds():g} s; a submission may take"
                f" {SUBMIT_TIMEOUTS.total:g} s, and ending it in between would lose its answer."
            )


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


def _dollars(value: float | str | None) -> float | None:
    if value is None or value in {"", "None"}:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidPayload(f"`max_cost_usd` is {value!r}; it must be a number of US dollars.") from None


def _take(value: int | str) -> int:
    if isinstance(value, bool) or not str(value).strip().isdecimal() or int(value) < 1:
        raise InvalidPayload(f"`take` is {value!r}; it must be a whole number, 1 or more.")
    return int(value)
