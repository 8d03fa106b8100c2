"""What one entry of the table of models says: the model's options with their limits, and its frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kling_airflow.models.price import Price


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
    :param default: what is sent if the user names none; None sends nothing.
    :param required: whether a request without it is refused; only without a default.
    """

    values: tuple[str, ...]
    default: str | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A number, sent as JSON.

    :param least: the smallest.
    :param most: the largest.
    """

    least: float = 0.0
    most: float = 1.0


@dataclass(frozen=True, slots=True)
class Address:
    """An http(s) address that the queue reads, or Base64 of a picture.

    :param required: whether a request without it is refused.
    """

    required: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A JSON list.

    :param most: entries that the vendor allows; None if only a rule of the model limits them.
    :param required: whether a request without it is refused.
    """

    most: int | None = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON value that is passed on as it is: a switch, an object."""


Option = Text | Seconds | Switch | Choice | Number | Address | Items | Json
Rule = Callable[[Mapping[str, Any]], list[str]]
"""Returns what is wrong with a payload as the queue spells it: field, value and limit, a text for each."""


def no_rules(payload: Mapping[str, Any]) -> list[str]:
    """Return nothing: no rule of the model spans several fields."""
    return []


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the package knows of one model.

    :param id: the model's id; case matters (seen).
    :param options: its options by name, frames aside.
    :param start_frame: the payload's field for the start frame; None for a model without frames.
    :param end_frame: the payload's field for the end frame; None for a model without one.
    :param price: what a request costs; None if only the queue's catalog says.
    :param rules: the rules that span several fields; they are checked before anything is sent.
    :param makes_clip: whether a success without a video is an error.
    :param answers: the keys of the outcome, for the docs.
    """

    id: str
    options: Mapping[str, Option] = field(repr=False)
    start_frame: str | None = None
    end_frame: str | None = None
    price: Price | None = None
    rules: Rule = no_rules
    makes_clip: bool = True
    answers: tuple[str, ...] = ("media_urls", "thumbnail_image_url")

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
