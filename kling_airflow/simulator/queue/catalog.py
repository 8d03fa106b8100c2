"""The models of the simulated queue: their parameters, their prices, and what a payload asks for.

The vendor documents `kling-v3-image-to-video`. Of `kling-v3-text-to-video` the vendor documents the keys; its
price is assumed. Of `kling-3.0-turbo-i2v` the vendor documents the keys, the prices and that `prompt` is
optional; its durations and its lack of sound are assumed. Of `kling-v3-omni` the vendor documents the modes
and their prices; the simulator knows some of its keys and refuses the others. The speech model is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

DURATIONS = tuple(str(seconds) for seconds in range(3, 16))
CATALOG_BORN = 1_738_000_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of a payload, as `GET /models/{id}` describes it.

    :param max_length: characters; the service's schema does not show it.
    """

    name: str
    type: Literal["string", "image", "images", "enum", "float", "integer"]
    required: bool = False
    default: Any = None
    options: tuple[str, ...] = ()
    min_value: float | None = None
    max_value: float | None = None
    max_length: int | None = None

    def describe(self) -> dict[str, Any]:
        """Return the parameter as the catalogue shows it."""
        return {
            "name": self.name,
            "type": "image" if self.type == "images" else self.type,
            "required": self.required,
            "default_value": self.default,
            "options": list(self.options),
            "min_value": self.min_value,
            "max_value": self.max_value,
        }


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalogue.

    :param price: micro-dollars a unit.
    :param price_with_sound: micro-dollars a unit when sound is on.
    :param priced_by: the key that the price depends on besides sound, if there is one.
    :param other_prices: micro-dollars a unit, silent and with sound, by that key's values with another price.
    :param start: the key that holds the start frame, if the model has one.
    :param end: the key that holds the end frame, if the model has one.
    :param images: the key that holds a list of frames, if the model has one.
    """

    id: str
    description: str
    parameters: tuple[Parameter, ...]
    price: int
    price_with_sound: int | None = None
    priced_by: str | None = None
    other_prices: dict[str, tuple[int, int]] = field(default_factory=dict)
    unit: Literal["second", "request"] = "second"
    model_type: Literal["video", "audio"] = "video"
    delivery_mode: Literal["async", "sync"] = "async"
    start: str | None = None
    end: str | None = None
    images: str | None = None
    modalities: dict[str, list[str]] = field(default_factory=dict)

    def describe(self, org_id: str) -> dict[str, Any]:
        """Return the entry as `GET /models/{id}` answers it."""
        dollars = f"${self.price / 1e6:g} per {self.unit}"
        if self.price_with_sound:
            dollars += f", ${self.price_with_sound / 1e6:g} with sound"
        for value, (silent, with_sound) in self.other_prices.items():
            dollars += f", ${silent / 1e6:g} at {value}"
            if with_sound != silent:
                dollars += f" (${with_sound / 1e6:g} with sound)"
        return {
            "model": self.id,
            "org_id": org_id,
            "status": "active",
            "model_type": self.model_type,
            "delivery_mode": self.delivery_mode,
            "brief_description": self.description,
            "detailed_description": self.description,
            "modalities": self.modalities,
            "parameters": [parameter.describe() for parameter in self.parameters],
            "price_info": {"price": self.price, "pricing_type": f"per_{self.unit}", "unit": self.unit},
            "pricing_details": dollars,
            "host_type": "external",
            "external_provider": "Kling" if self.model_type == "video" else "Inworld",
            "tags": [self.model_type],
            "created_at": CATALOG_BORN,
            "updated_at": CATALOG_BORN,
        }

    def duration(self, payload: dict[str, Any]) -> int:
        """Return the seconds of clip that a valid payload asks for."""
        return int(payload.get("duration") or 5)

    def sound(self, payload: dict[str, Any]) -> bool:
        """Return whether a valid payload asks for sound."""
        return bool(payload.get("sound") == "on")

    def cost(self, payload: dict[str, Any], price: int | None = None) -> int:
        """Return what a valid payload costs, in micro-dollars.

        :param price: micro-dollars a unit; None is the model's price.
        """
        if price is None:
            price = self.unit_price(payload)
        return price * (self.duration(payload) if self.unit == "second" else 1)

    def unit_price(self, payload: dict[str, Any]) -> int:
        """Return the price of a valid payload, in micro-dollars a unit."""
        usual = (self.price, self.price_with_sound or self.price)
        value = str(payload.get(self.priced_by)) if self.priced_by else ""
        silent, with_sound = self.other_prices.get(value, usual)
        return with_sound if self.sound(payload) else silent

    def frames(self, payload: dict[str, Any]) -> tuple[str | None, str | None]:
        """Return the sources of the start and the end frame: URLs, Base64 or None."""
        if self.images:
            listed = [_source(item) for item in payload.get(self.images) or []]
            return (listed[0] if listed else None), (listed[1] if len(listed) > 1 else None)
        start = payload.get(self.start) if self.start else None
        end = payload.get(self.end) if self.end else None
        return start or None, end or None


def _source(item: Any) -> str | None:
    """Return the image of an item of a list: the item itself, or what the object holds."""
    if isinstance(item, dict):
        item = item.get("image_url") or item.get("image")
    return item if isinstance(item, str) else None


_PROMPT = Parameter("prompt", "string", required=True, max_length=2500)
_OPTIONAL_PROMPT = Parameter("prompt", "string", max_length=2500)
_NEGATIVE = Parameter("negative_prompt", "string", max_length=2500)
_DURATION = Parameter("duration", "enum", default="5", options=DURATIONS)
_SOUND = Parameter("sound", "enum", default="off", options=("on", "off"))
_ASPECT = Parameter("aspect_ratio", "enum", default="16:9", options=("16:9", "9:16", "1:1"))

IMAGE_TO_VIDEO = Model(
    id="kling-v3-image-to-video",
    description="Kling v3: a still frame, and optionally an end frame, turned into a clip.",
    parameters=(
        _PROMPT,
        Parameter("image", "image", required=True),
        Parameter("image_tail", "image"),
        _NEGATIVE,
        _DURATION,
        _SOUND,
    ),
    price=168_000,
    price_with_sound=252_000,
    start="image",
    end="image_tail",
    modalities={"input": ["text", "image"], "output": ["video"]},
)
TEXT_TO_VIDEO = Model(
    id="kling-v3-text-to-video",
    description="Kling v3: a clip from a prompt, without a frame.",
    parameters=(_PROMPT, _NEGATIVE, _ASPECT, _DURATION, _SOUND),
    price=168_000,
    price_with_sound=252_000,
    modalities={"input": ["text"], "output": ["video"]},
)
TURBO_IMAGE_TO_VIDEO = Model(
    id="kling-3.0-turbo-i2v",
    description="Kling 3.0 Turbo: a first frame turned into a clip, in less time.",
    parameters=(
        _OPTIONAL_PROMPT,
        Parameter("first_frame", "image", required=True),
        Parameter("resolution", "enum", default="720p", options=("720p", "1080p")),
        _DURATION,
    ),
    price=112_000,
    priced_by="resolution",
    other_prices={"1080p": (140_000, 140_000)},
    start="first_frame",
    modalities={"input": ["text", "image"], "output": ["video"]},
)
OMNI = Model(
    id="kling-v3-omni",
    description="Kling v3 Omni: a clip from a prompt and up to seven reference images.",
    parameters=(
        _PROMPT,
        Parameter("image_list", "images", max_value=7),
        Parameter("mode", "enum", default="pro", options=("std", "pro")),
        _ASPECT,
        _DURATION,
        _SOUND,
    ),
    price=112_000,
    price_with_sound=140_000,
    priced_by="mode",
    other_prices={"std": (84_000, 112_000)},
    images="image_list",
    modalities={"input": ["text", "image"], "output": ["video"]},
)
SPEECH = Model(
    id="inworld-tts-1.5-max",
    description="Speech from text; answered at once.",
    parameters=(
        Parameter("text", "string", required=True, max_length=2000),
        Parameter("voice_id", "string", default="Alex"),
    ),
    price=10_000,
    unit="request",
    model_type="audio",
    delivery_mode="sync",
    modalities={"input": ["text"], "output": ["audio"]},
)

MODELS: dict[str, Model] = {
    model.id: model for model in (IMAGE_TO_VIDEO, TEXT_TO_VIDEO, TURBO_IMAGE_TO_VIDEO, OMNI, SPEECH)
}
