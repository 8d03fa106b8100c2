"""Clips of Kling v3 Omni: frames, reference pictures, elements, several shots, a video."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kling_airflow import models
from kling_airflow.arguments import name_or_none, whole_number
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.models import omni
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.task.frame_argument import delivery
from kling_airflow.task.omni_arguments import pictures, video_or_none
from kling_airflow.task.omni_literals import check_literal_omni, omni_options

if TYPE_CHECKING:
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.payloads import ClipOptions
    from kling_airflow.submission.order import Order
    from kling_airflow.submission.source_frame import SourceFrame
    from kling_airflow.task.frame_order import FrameReader
    from kling_airflow.task.literals import Literals


class KlingOmniOperator(GenerationOperator):
    """Submit a prompt or shots with pictures, elements or a video to ``kling-v3-omni``.

    Returns the request id, or waits for the clip. A prompt names by its number what is given:
    ``<<<image_1>>>`` (the frames first, then ``references``), ``<<<element_1>>>``, ``<<<video_1>>>``. All
    rules of the vendor's page are checked before anything is sent.

    Each clip costs money: $0.112 a second in mode ``pro``, $0.084 in ``std``; with sound $0.14 and $0.112,
    with a video $0.168 and $0.126. A retry or a clear of this task returns the request that was paid for, as
    for :class:`KlingImageToVideoOperator`; every picture that is uploaded carries the order's id.

    What is not described here is described at :class:`GenerationOperator`.

    :param prompt: what happens in the clip, up to 2500 characters; needed without ``shots``; templated, as
        are all parameters here.
    :param image: the start frame, as for :class:`KlingImageToVideoOperator`.
    :param image_tail: the end frame; only with a start frame.
    :param references: pictures of what is to be seen, in a list. Frames, references and elements are at most
        7 together, 4 with a video.
    :param elements: element ids, or what ``KlingCreateElementOperator`` returned, in a list.
    :param shots: up to 6 dicts of ``prompt`` (up to 512 characters) and ``duration`` (whole seconds); they
        take the place of ``prompt``.
    :param video: an MP4 of 3 to 10 s and at most 200 MB, as ``image`` is given, or the dict of a clip; only
        without sound.
    :param video_role: ``reference`` follows the video, ``edit`` changes it. An edited clip lasts as long as
        its video, whatever ``duration`` says.
    :param mode: ``pro`` (1080p) or ``std`` (720p).
    :param duration: seconds, 3 to 15; None for what the shots last together, or 5.
    :param sound: whether the clip gets an audio track.
    :param aspect_ratio: ``16:9``, ``9:16`` or ``1:1``; needed without a start frame or a video to edit.
    :param max_cost_usd: refuse, before anything is sent, a clip that costs more, by the higher of the table
        of models and the queue's catalog; None for no limit. Per clip: a mapped task multiplies it.
    :param image_delivery: how pictures and the video get to the queue: ``auto``, ``upload``, ``base64`` (no
        video) or ``url``.
    :param image_conn_id: the connection of their store; None for the store's default.
    """

    template_fields: Sequence[str] = (
        "prompt",
        "image",
        "image_tail",
        "references",
        "elements",
        "shots",
        "video",
        "video_role",
        "mode",
        "duration",
        "sound",
        "aspect_ratio",
        "max_cost_usd",
        "image_delivery",
        "image_conn_id",
        *GenerationOperator.template_fields,
    )

    def __init__(
        self,
        *,
        prompt: str | None = None,
        image: Any = None,
        image_tail: Any = None,
        references: Any = None,
        elements: Any = None,
        shots: Any = None,
        video: Any = None,
        video_role: str = "reference",
        mode: str = "pro",
        duration: int | str | None = None,
        sound: bool | str | None = None,
        aspect_ratio: str | None = None,
        max_cost_usd: float | str | None = None,
        image_delivery: str = "auto",
        image_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.image = image
        self.image_tail = image_tail
        self.references = references
        self.elements = elements
        self.shots = shots
        self.video = video
        self.video_role = video_role
        self.mode = mode
        self.duration = duration
        self.sound = sound
        self.aspect_ratio = aspect_ratio
        self.max_cost_usd = max_cost_usd
        self.image_delivery = image_delivery
        self.image_conn_id = image_conn_id
        self._written = {"prompt": prompt, "shots": shots}
        self.written_places = WrittenPlaces(
            self, image=image, image_tail=image_tail, references=references, video=video
        )
        self.check_own_literals()

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say: options, pictures, a price too high."""
        super().check_literals(given)
        check_literal_omni(given)

    def _sources(self) -> list[tuple[str, str, str | None]]:
        return pictures(vars(self))

    def _video(self) -> str | None:
        return video_or_none(self.video)

    def _clip_options(self) -> ClipOptions:
        return omni_options(vars(self), self._written)

    def _model(self) -> str:
        return models.OMNI

    def _asked(self) -> dict[str, Any]:
        options = self._clip_options()
        return {"duration": options.duration, "sound": options.sound, "cost_usd": options.price_usd}

    def _frames_used(self) -> list[str | None]:
        return [address for _, address, _ in self._sources()] + [self._video()]

    def _order(self, client: GMIClient, *, generation: int = 0) -> Order:
        from kling_airflow.task.frame_order import FrameReader, frames_order

        options = self._clip_options()
        take = whole_number("take", self.take, least=1)
        how = delivery(self.image_delivery)
        reader = FrameReader(
            self.written_places, name_or_none("image_conn_id", self.image_conn_id), how, self.log
        )
        return frames_order(
            client,
            options,
            self._read_frames(reader),
            how,
            take=take,
            max_cost_usd=self.max_cost_usd,
            words=str(options),
            log=self.log,
            generation=generation,
        )

    def _read_frames(self, reader: FrameReader) -> dict[str, SourceFrame]:
        """Return pictures and video by their place in the payload."""
        frames = {
            f"image_list.{number}.image_url": reader.frame(argument, address)
            for number, (argument, address, _) in enumerate(self._sources())
        }
        if (address := self._video()) is not None:
            frames["video_list.0.video_url"] = reader.video(
                "video", address, seconds=omni.VIDEO_SECONDS, max_bytes=omni.VIDEO_BYTES
            )
        return frames
