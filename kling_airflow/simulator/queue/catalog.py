"""What the simulated queue knows of a model: its parameters, its prices, and what a payload asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

CATALOG_BORN = 1_738_000_000
Rule = Callable[[dict[str, Any]], list[str]]
"""Returns `key (reason)` for each key that breaks a rule which spans several keys."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of a payload, as `GET /models/{id}` describes it.

    :param max_length: characters; the service's schema does not show it.
    """

    name: str
    type: Literal["string", "image", "video", "enum", "float", "integer", "json"]
    required: bool = False
    default: Any = None
    options: tuple[str, ...] = ()
    min_value: float | None = None
    max_value: float | None = None
    max_length: int | None = None
    description: str = ""

    def describe(self) -> dict[str, Any]:
        """Return the parameter as the catalogue shows it."""
        return {
            "name": self.name,
            "display_name": self.name.replace("_", " ").title(),
            "description": self.description or f"The {self.name.replace('_', ' ')}.",
            "type": self.type,
            "required": self.required,
            "default_value": self.default,
            "options": list(self.options),
            "min_value": self.min_value,
            "max_value": self.max_value,
        }


@dataclass(frozen=True, slots=True)
class InputVideo:
    """A video that a payload names.

    :param url: where it lies.
    :param least: seconds of the shortest that the model takes.
    :param most: seconds of the longest.
    """

    url: str
    least: float = 0.0
    most: float = 600.0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a payload names for the service to fetch.

    :param start: the picture that the clip begins on; None if there is none.
    :param end: the picture that the clip ends on; None if there is none.
    :param others: pictures that are only checked.
    :param videos: videos that are checked.
    """

    start: str | None = None
    end: str | None = None
    others: tuple[str, ...] = ()
    videos: tuple[InputVideo, ...] = ()


def no_rules(payload: dict[str, Any]) -> list[str]:
    """Return nothing: no rule of the model spans several keys."""
    return []


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalogue.

    :param price: micro-dollars a unit of what the defaults ask for: what the catalogue shows.
    :param priced_by: the keys that the price depends on.
    :param prices: micro-dollars a unit by the values of those keys; a list counts as `given` or `absent`.
    :param details: the prices in words; "" makes them of `price`.
    :param rules: the rules that span several keys.
    :param inputs: reads pictures and videos out of a valid payload.
    :param video_seconds: how long the clip lasts by its input video, for the price; None if it has none.
    :param result: what a success answers.
    :param shape: how a success names its clip.
    """

    id: str
    description: str
    parameters: tuple[Parameter, ...]
    price: int
    priced_by: tuple[str, ...] = ()
    prices: dict[tuple[str, ...], int] = field(default_factory=dict)
    details: str = ""
    unit: Literal["second", "request"] = "second"
    model_type: Literal["video", "audio", "utility"] = "video"
    delivery_mode: Literal["async", "sync"] = "async"
    provider: str = "Kling"
    rules: Rule = no_rules
    inputs: Callable[[dict[str, Any]], Inputs] = lambda payload: Inputs()
    video_seconds: Callable[[dict[str, Any]], int | None] = lambda payload: None
    result: Literal["clip", "audio", "element", "faces", "voice"] = "clip"
    shape: Literal["media_urls", "video_url"] = "media_urls"
    modalities: tuple[tuple[str, ...], tuple[str, ...]] = (("text",), ("video",))

    def describe(self, org_id: str) -> dict[str, Any]:
        """Return the entry as `GET /models/{id}` answers it."""
        return {
            "model": self.id,
            "org_id": org_id,
            "status": "active",
            "model_type": self.model_type,
            "delivery_mode": self.delivery_mode,
            "brief_description": self.description,
            "detailed_description": self.description,
            "modalities": {
                side: [{"type": kind, "required": number == 0} for number, kind in enumerate(kinds)]
                for side, kinds in zip(("input", "output"), self.modalities, strict=True)
            },
            "parameters": [parameter.describe() for parameter in self.parameters],
            "price_info": {"price": self.price, "pricing_type": f"per_{self.unit}", "unit": self.unit},
            "pricing_details": self.details or f"${self.price / 1e6:g} per {self.unit}",
            "host_type": "external",
            "external_provider": self.provider,
            "tags": [self.model_type],
            "created_at": CATALOG_BORN,
            "updated_at": CATALOG_BORN,
        }

    def duration(self, payload: dict[str, Any]) -> int:
        """Return the seconds of clip that a valid payload asks for, or those that are billed."""
        by_video = self.video_seconds(payload)
        return int(payload.get("duration") or 5) if by_video is None else by_video

    def sound(self, payload: dict[str, Any]) -> bool:
        """Return whether a valid payload asks for sound."""
        return payload.get("sound") in ("on", "yes")

    def cost(self, payload: dict[str, Any], price: int | None = None) -> int:
        """Return what a valid payload costs, in micro-dollars.

        :param price: micro-dollars a unit; None is the model's price.
        """
        if price is None:
            price = self.unit_price(payload)
        return price * (self.duration(payload) if self.unit == "second" else 1)

    def unit_price(self, payload: dict[str, Any]) -> int:
        """Return the price of a valid payload, in micro-dollars a unit."""
        return self.prices.get(tuple(self._value(payload, key) for key in self.priced_by), self.price)

    def _value(self, payload: dict[str, Any], key: str) -> str:
        """Return a key's value as the price list spells it."""
        parameter = next(each for each in self.parameters if each.name == key)
        if parameter.type == "json":
            return "given" if payload.get(key) else "absent"
        return str(payload.get(key) or parameter.default)
