"""Clips that begin on a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow import models
from kling_airflow.arguments import is_literal, refuse_empty_template, whole_number
from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import airflow_errors
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.task.frame_argument import frame_or_none
from kling_airflow.task.price_limit import limit_usd, refuse_above_limit

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.models import ModelSpec
    from kling_airflow.payloads import ClipOptions
    from kling_airflow.submission.order import Order
    from kling_airflow.submission.source_frame import ImageDelivery, SourceFrame


class KlingImageToVideoOperator(GenerationOperator):
    """Submit one or two frames and a prompt to a Kling model; return the request id, or wait for the clip.

    Each clip costs money: with Kling v3 $0.168 a second, $0.252 with sound. A retry or a clear of this task
    returns the request that was paid for, as long as it asks for the same: another prompt, frame or option is
    another order, and ``take=2`` orders the same once more.

    What is not described here is described at :class:`GenerationOperator`.

    :param image: the start frame: any object-storage URI (``s3://``, ``gs://``, ``file://`` ...) or an
        http(s) URL; an ``ObjectStoragePath``, a ``pathlib.Path`` or an absolute path; an asset; or the dict
        that ``PrepareFrameOperator`` returns; templated.
    :param prompt: what happens in the clip, 1 to 2500 characters; templated. Kling 3.0 turbo needs none.
    :param model: the model's id, one of ``kling_airflow.models.MODELS`` that begins on a frame; templated.
    :param image_tail: the end frame, alike; templated.
    :param negative_prompt: what to keep out, up to 2500 characters; templated.
    :param duration: seconds, 3 to 15; templated.
    :param sound: whether the clip gets an audio track, for a model that has sound; templated.
    :param resolution: ``720p`` or ``1080p``, for a model that has resolutions; templated.
    :param max_cost_usd: refuse, before anything is sent, a clip that costs more, by the higher of the table
        of models and the queue's catalog; None for no limit. Per clip: a mapped task multiplies it;
        templated.
    :param image_delivery: how the frames get to the queue: ``auto``, ``upload``, ``base64`` or ``url``;
        templated.
    :param image_conn_id: the connection of the frames' store; None for the store's default; templated.
    """

    template_fields: Sequence[str] = (
        "image",
        "prompt",
        "model",
        "image_tail",
        "negative_prompt",
        "duration",
        "sound",
        "resolution",
        "max_cost_usd",
        "image_delivery",
        "image_conn_id",
        *GenerationOperator.template_fields,
    )

    def __init__(
        self,
        *,
        image: Any,
        prompt: str | None = None,
        model: str = models.IMAGE_TO_VIDEO,
        image_tail: Any = None,
        negative_prompt: str | None = None,
        duration: int | str = 5,
        sound: bool | str | None = None,
        resolution: str | None = None,
        max_cost_usd: float | str | None = None,
        image_delivery: str = "auto",
        image_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image = image
        self.prompt = prompt
        self.model = model
        self.image_tail = image_tail
        self.negative_prompt = negative_prompt
        self.duration = duration
        self.sound = sound
        self.resolution = resolution
        self.max_cost_usd = max_cost_usd
        self.image_delivery = image_delivery
        self.image_conn_id = image_conn_id
        self._written = {"prompt": prompt, "negative_prompt": negative_prompt}
        self.written_places = WrittenPlaces(self, image=image, image_tail=image_tail)
        self._check_literals()

    def _check_literals(self) -> None:
        """Refuse when the DAG is parsed what is wrong whatever the templates will say."""
        from kling_airflow.payloads import ClipOptions

        with airflow_errors():
            if is_literal(self.model):
                options = ClipOptions.of_literals(self._model(), **self._given())
                if is_literal(self.image_tail) and frame_or_none("image_tail", self.image_tail):
                    self._check_end_frame(models.spec_of(self.model))
                if options is not None and is_literal(self.max_cost_usd):
                    refuse_above_limit(self.max_cost_usd, options.price_usd, str(options))
            if is_literal(self.max_cost_usd):
                limit_usd(self.max_cost_usd)

    def _given(self) -> dict[str, Any]:
        """Return the options as the user gave them; None for one that was not given."""
        for name, written in self._written.items():
            refuse_empty_template(name, getattr(self, name), written)
        return {
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt or None,
            "duration": self.duration,
            "sound": self.sound,
            "resolution": self.resolution or None,
        }

    def _model(self) -> str:
        return models.spec_of(self.model, frames=True).id

    def _asked(self) -> dict[str, Any]:
        options = self._clip_options()
        return {"duration": options.duration, "sound": options.sound, "cost_usd": options.price_usd}

    def _frames_used(self) -> list[str | None]:
        return [frame_or_none(name, getattr(self, name)) for name in ("image", "image_tail")]

    def _clip_options(self) -> ClipOptions:
        from kling_airflow.payloads import ClipOptions

        return ClipOptions.of(self._model(), **self._given())

    def _order(self, client: GMIClient, *, generation: int = 0) -> Order:
        from kling_airflow.submission.source_frame import ImageDelivery
        from kling_airflow.task.clip_order import frame_order

        options = self._clip_options()
        take = whole_number("take", self.take, least=1)
        how = ImageDelivery.read(self.image_delivery)
        return frame_order(
            client,
            options,
            self._read_frames(options, how),
            how,
            take=take,
            max_cost_usd=self.max_cost_usd,
            log=self.log,
            generation=generation,
        )

    def _read_frames(self, options: ClipOptions, how: ImageDelivery) -> dict[str, SourceFrame]:
        """Return the frames by the payload's field; each is read and checked under its argument's name."""
        from kling_airflow.submission.source_frame import read_source

        if frame_or_none("image_tail", self.image_tail):
            self._check_end_frame(options.spec)
        frames = {}
        for argument, field in options.spec.frame_arguments.items():
            source = frame_or_none(argument, getattr(self, argument))
            if argument == "image" or source:
                frames[field] = read_source(argument, source, how, self._read_frame, self._presign, self.log)
        return frames

    def _check_end_frame(self, spec: ModelSpec) -> None:
        if "image_tail" not in spec.frame_arguments:
            raise InvalidArgument(f"{spec.refusal('image_tail')}.")

    def _read_frame(self, source: str, field: str) -> bytes:
        from kling_airflow.hooks.frame_source import read_allowed_frame
        from kling_airflow.media.limits import MAX_FRAME_BYTES

        return read_allowed_frame(
            source, field, self.written_places, conn_id=self.image_conn_id, max_bytes=MAX_FRAME_BYTES
        )

    def _presign(self, source: str) -> str:
        from kling_airflow.hooks.frame_source import presign_allowed

        return presign_allowed(source, self.written_places, conn_id=self.image_conn_id)
