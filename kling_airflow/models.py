"""The models of the queue that have an operator of their own: one entry each, read by everything else.

A new model is one :class:`ModelSpec` in ``_SPECS``, one test, and one row in ``docs/models.md``. Payloads,
operators and prices read the entry. How well a fact is known stands beside it: *documented* by the vendor,
*seen* by two or more users of the live service, or *assumed*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kling_airflow.errors import InvalidArgument
from kling_airflow.yaml_habits import yaml_hint

IMAGE_TO_VIDEO: Final = "kling-v3-image-to-video"
TEXT_TO_VIDEO: Final = "kling-v3-text-to-video"
TURBO_IMAGE_TO_VIDEO: Final = "kling-3.0-turbo-i2v"


@dataclass(frozen=True, slots=True)
class Text:
    """A text option.

    :param most: characters that the vendor allows.
    :param required: whether a request without it is refused.
    """

    most: int = 2500
    required: bool = False


@dataclass(frozen=True, slots=True)
class Seconds:
    """A length of the clip in whole seconds; the queue takes it as a string.

    :param least: the shortest clip.
    :param most: the longest clip.
    :param default: what is sent if the user names none.
    """

    least: int = 3
    most: int = 15
    default: int = 5


@dataclass(frozen=True, slots=True)
class Switch:
    """An option that is sent as ``on`` or ``off``.

    :param default: what is sent if the user names neither.
    """

    default: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """An option with a fixed set of values.

    :param values: what the vendor takes.
    :param default: what is sent if the user names none.
    """

    values: tuple[str, ...]
    default: str


Option = Text | Seconds | Switch | Choice


@dataclass(frozen=True, slots=True)
class PricePerSecond:
    """What a second of clip costs, in US dollars.

    :param option: the option that the price depends on, as the payload spells it.
    :param usd: the price for each of that option's values, as the payload spells them.
    """

    option: str
    usd: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the package knows of one model.

    :param id: the model's id; case matters (seen).
    :param options: its options by name, frames aside.
    :param start_frame: the payload's field for the start frame; None for a model without frames.
    :param end_frame: the payload's field for the end frame; None for a model without one.
    :param price: what a second costs; None if only the queue's catalog says.
    """

    id: str
    options: Mapping[str, Option] = field(repr=False)
    start_frame: str | None = None
    end_frame: str | None = None
    price: PricePerSecond | None = None

    @property
    def frame_arguments(self) -> Mapping[str, str]:
        """The payload's field of each frame that the model takes, by the operators' argument for it."""
        fields = {"image": self.start_frame, "image_tail": self.end_frame}
        return {argument: name for argument, name in fields.items() if name is not None}

    @property
    def arguments(self) -> tuple[str, ...]:
        """The operators' arguments that the model takes."""
        return (*self.frame_arguments, *self.options)

    def refusal(self, argument: str) -> str:
        """Return the words that refuse an argument the model doesn't have."""
        return (
            f"`{argument}` is given, and {self.id} has no such argument; it has {', '.join(self.arguments)}"
        )

    @property
    def has_sound(self) -> bool:
        """Whether the model can make an audio track."""
        return "sound" in self.options


_PROMPTS: Final[Mapping[str, Option]] = {"prompt": Text(required=True), "negative_prompt": Text()}
_SPECS: Final = (
    # Fields, limits and the price with sound: documented. The silent price: seen by three users.
    ModelSpec(
        IMAGE_TO_VIDEO,
        options={**_PROMPTS, "duration": Seconds(), "sound": Switch()},
        start_frame="image",
        end_frame="image_tail",
        price=PricePerSecond("sound", {"off": 0.168, "on": 0.252}),
    ),
    # The three shapes and their default: documented. The price is in the queue's catalog only.
    ModelSpec(
        TEXT_TO_VIDEO,
        options={
            **_PROMPTS,
            "duration": Seconds(),
            "sound": Switch(),
            "aspect_ratio": Choice(("16:9", "9:16", "1:1"), default="16:9"),
        },
    ),
    # The optional prompt, the frame's field, the resolutions and both prices: documented. Durations as in
    # Kling v3, and the resolution that is sent if the user names none (the cheaper one): assumed.
    ModelSpec(
        TURBO_IMAGE_TO_VIDEO,
        options={
            "prompt": Text(),
            "duration": Seconds(),
            "resolution": Choice(("720p", "1080p"), default="720p"),
        },
        start_frame="first_frame",
        price=PricePerSecond("resolution", {"720p": 0.112, "1080p": 0.14}),
    ),
)

MODELS: Final[Mapping[str, ModelSpec]] = {spec.id: spec for spec in _SPECS}
"""Every model with an entry, by its id."""


def spec_of(model: object, *, frames: bool | None = None) -> ModelSpec:
    """Return a model's entry.

    :param model: the model's id.
    :param frames: True for a model that begins on a frame, False for one that takes none, None for either.
    :raises InvalidArgument: if there is no such entry, naming those that there are.
    """
    known = [spec for spec in _SPECS if frames is None or (spec.start_frame is not None) is frames]
    found = next((spec for spec in known if isinstance(model, str) and spec.id == model.strip()), None)
    if found is None:
        raise InvalidArgument(
            f"`model` is {model!r}; this operator knows {', '.join(spec.id for spec in known)}."
            f"{yaml_hint(model)}",
            todo="Use one of these, or GMICloudRequestOperator, which sends any model's payload as it is.",
        )
    return found
