"""Clips of a prompt alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from kling_airflow import models
from kling_airflow.arguments import refuse_empty_template, whole_number
from kling_airflow.operators.base import GenerationOperator
from kling_airflow.task.literals import Literals
from kling_airflow.task.payload_order import payload_order
from kling_airflow.task.price_limit import catalog_price_usd, limit_usd, refuse_above_limit

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Templated
    from kling_airflow.gmi.client import GMIClient
    from kling_airflow.payloads import ClipOptions
    from kling_airflow.submission.order import Order

OPTIONS: Final = ("prompt", "negative_prompt", "duration", "sound", "resolution", "aspect_ratio")
"""The options of a clip."""


class KlingTextToVideoOperator(GenerationOperator):
    """Submit a prompt alone to a Kling model; return the request id, or wait for the clip.

    Without a frame nothing marks the request in the queue's list. A request whose response was lost is found
    by its payload, and adopted only if the ledger can claim it (``ledger="s3://..."``); else the task fails.

    What is not described here is described at :class:`GenerationOperator`.

    :param prompt: what happens in the clip, 1 to 2500 characters; templated.
    :param negative_prompt: what to keep out, up to 2500 characters; templated.
    :param duration: seconds, 3 to 15; templated.
    :param model: the model's id, Kling v3 or ``kling-3.0-turbo-t2v``; templated.
    :param sound: whether the clip gets an audio track, for a model that has sound; templated.
    :param resolution: ``720p`` or ``1080p``, for a model that has resolutions; templated.
    :param aspect_ratio: ``16:9``, ``9:16`` or ``1:1``; templated.
    :param max_cost_usd: refuse, before anything is sent, a clip that costs more, by the higher of the table
        of models and the queue's catalog; templated.
    """

    template_fields: Sequence[str] = (
        "prompt",
        "model",
        "negative_prompt",
        "duration",
        "sound",
        "resolution",
        "aspect_ratio",
        "max_cost_usd",
        *GenerationOperator.template_fields,
    )

    def __init__(
        self,
        *,
        prompt: Templated[str],
        model: Templated[str] | None = models.TEXT_TO_VIDEO,
        negative_prompt: Templated[str] | None = None,
        duration: Templated[float | str | timedelta] | None = 5,
        sound: Templated[bool | str] | None = None,
        resolution: Templated[str] | None = None,
        aspect_ratio: Templated[str] | None = "16:9",
        max_cost_usd: Templated[float | str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt: Any = prompt
        self.model: Any = model
        self.negative_prompt: Any = negative_prompt
        self.duration: Any = duration
        self.sound: Any = sound
        self.resolution: Any = resolution
        self.aspect_ratio: Any = aspect_ratio
        self.max_cost_usd: Any = max_cost_usd
        self._written = {"prompt": prompt, "negative_prompt": negative_prompt}
        self.check_own_literals()

    @classmethod
    def check_literals(cls, given: Literals) -> None:
        """Refuse what is wrong whatever the templates will say."""
        from kling_airflow.payloads import ClipOptions

        super().check_literals(given)
        given.read("max_cost_usd", lambda _, value: limit_usd(value))
        for name in ("prompt", "negative_prompt"):
            given.read(name, lambda name, value: refuse_empty_template(name, value, value))
        if "model" not in given:
            given = Literals((name, given[name]) for name in ("duration", "sound") if name in given)
        asked = {name: given.get(name, ...) for name in OPTIONS}
        asked |= {name: None for name in ("negative_prompt", "resolution") if asked[name] == ""}
        options = ClipOptions.of_literals(_model_id(given.get("model")), **asked)
        price = None if options is None else options.price_usd
        if price is not None and given.get("max_cost_usd") is not None:
            refuse_above_limit(given["max_cost_usd"], price, str(options))

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
            "aspect_ratio": self.aspect_ratio,
        }

    def _model(self) -> str:
        return _model_id(self.model)

    def _asked(self) -> dict[str, Any]:
        options = self._clip_options()
        return {"duration": options.duration, "sound": options.sound, "cost_usd": options.price_usd}

    def _price_usd(self, client: GMIClient) -> float | None:
        return catalog_price_usd(client, self._model(), self._clip_options().to_json(), self.log)

    def _clip_options(self) -> ClipOptions:
        from kling_airflow.payloads import ClipOptions

        return ClipOptions.of(self._model(), **self._given())

    def _order(self, client: GMIClient, *, generation: int = 0) -> Order:
        options = self._clip_options()
        return payload_order(
            client,
            self._model(),
            options.to_json(),
            take=whole_number("take", self.take, least=1),
            max_cost_usd=self.max_cost_usd,
            check_payload=False,
            words=str(options),
            log=self.log,
            generation=generation,
        )


def _model_id(model: object) -> str:
    known = (models.TEXT_TO_VIDEO, models.TURBO_TEXT_TO_VIDEO)
    return models.spec_of(models.TEXT_TO_VIDEO if model is None else model, among=known).id
