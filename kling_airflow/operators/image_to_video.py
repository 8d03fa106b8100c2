"""Clips that begin on a frame."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from kling_airflow import models
from kling_airflow.arguments import name_or_none, refuse_empty_template, whole_number
from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.task.frame_argument import check_frame, delivery, frame_or_none
from kling_airflow.task.literals import Literals
from kling_airflow.task.price_limit import limit_usd, refuse_above_limit

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Templated
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.models import ModelSpec
    from kling_airflow.payloads import ClipOptions
    from kling_airflow.submission.order import Order
    from kling_airflow.submission.source_frame import SourceFrame
    from kling_airflow.task.frame_order import FrameReader

OPTIONS: Final = ("prompt", "negative_prompt", "duration", "sound", "resolution")
"""The options of a clip, its frames aside."""


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
        prompt: Templated[str] | None = None,
        model: Templated[str] | None = models.IMAGE_TO_VIDEO,
        image_tail: Any = None,
        negative_prompt: Templated[str] | None = None,
        duration: Templated[float | str | timedelta] | None = 5,
        sound: Templated[bool | str] | None = None,
        resolution: Templated[str] | None = None,
        max_cost_usd: Templated[float | str] | None = None,
        image_delivery: Templated[str] | None = "auto",
        image_conn_id: Templated[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image = image
        self.prompt: Any = prompt
        self.model: Any = model
        self.image_tail = image_tail
        self.negative_prompt: Any = negative_prompt
        self.duration: Any = duration
        self.sound: Any = sound
        self.resolution: Any = resolution
        self.max_cost_usd: Any = max_cost_usd
        self.image_delivery: Any = image_delivery
        self.image_conn_id: Any = image_conn_id
        self._written = {"prompt": prompt, "negative_prompt": negative_prompt}
        self.written_places = WrittenPlaces(self, image=image, image_tail=image_tail)
        self.check_own_literals()

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say: options, frames, a price above the limit."""
        super().check_literals(given)
        given.read("max_cost_usd", lambda _, value: limit_usd(value))
        given.read("image", check_frame, none=True)
        given.read("image_tail", check_frame)
        given.read("image_delivery", lambda _, value: delivery(value))
        given.read("image_conn_id", name_or_none)
        for name in ("prompt", "negative_prompt"):
            given.read(name, lambda name, value: refuse_empty_template(name, value, value))
        cls._check_literal_options(given)

    @classmethod
    def _check_literal_options(cls, given: Literals) -> None:
        """Check the options against the model that they are for; of an unknown one, what all models share."""
        from kling_airflow.payloads import ClipOptions

        model = given.get("model")
        if "model" not in given:
            given = Literals((name, given[name]) for name in ("duration", "sound") if name in given)
        spec = models.spec_of(models.IMAGE_TO_VIDEO if model is None else model, frames=True)
        asked = {name: given.get(name, ...) for name in OPTIONS}
        asked |= {name: None for name in ("negative_prompt", "resolution") if asked[name] == ""}
        options = ClipOptions.of_literals(spec.id, **asked)
        if frame_or_none("image_tail", given.get("image_tail")):
            cls._check_end_frame(spec)
        if options is not None and given.get("max_cost_usd") is not None:
            refuse_above_limit(given["max_cost_usd"], options.price_usd, str(options))

    def _given(self) -> dict[str, Any]:
        """Return the options as the user gave them; None for one that was not given."""
        for name, written in self._written.items():
            refuse_empty_template(name, getattr(self, name), written)
        return {
            "prompt": self.prompt,
            "negative_prompt": None if self.negative_prompt == "" else self.negative_prompt,
            "duration": self.duration,
            "sound": self.sound,
            "resolution": None if self.resolution == "" else self.resolution,
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
        from kling_airflow.task.frame_order import FrameReader, frames_order

        options = self._clip_options()
        take = whole_number("take", self.take, least=1)
        how = delivery(self.image_delivery)
        conn_id = name_or_none("image_conn_id", self.image_conn_id)
        reader = FrameReader(self.written_places, conn_id, how, self.log)
        return frames_order(
            client,
            options,
            self._read_frames(options, reader),
            how,
            take=take,
            max_cost_usd=self.max_cost_usd,
            words=str(options),
            log=self.log,
            generation=generation,
        )

    def _read_frames(self, options: ClipOptions, reader: FrameReader) -> dict[str, SourceFrame]:
        """Return the frames by the payload's field; each is read and checked under its argument's name."""
        if frame_or_none("image_tail", self.image_tail):
            self._check_end_frame(options.spec)
        frames = {}
        for argument, field in options.spec.frame_arguments.items():
            source = frame_or_none(argument, getattr(self, argument))
            if argument == "image" or source:
                frames[field] = reader.frame(argument, source)
        return frames

    @staticmethod
    def _check_end_frame(spec: ModelSpec) -> None:
        if "image_tail" not in spec.frame_arguments:
            raise InvalidArgument(f"{spec.refusal('image_tail')}.")
