"""The payload of ``kling-v3-image-to-video``: its fields, their limits, their JSON, its price."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kling_airflow.gmi import kling
from kling_airflow.gmi.errors import InvalidPayload

_SWITCH = {
    "on": True,
    "true": True,
    "yes": True,
    "1": True,
    "off": False,
    "false": False,
    "no": False,
    "0": False,
}
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


def _whole_seconds(value: object) -> object:
    """Read a number as templates render it, as text; a switch or a fraction is no number of seconds."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError("must be a whole number of seconds")


def _switch(value: object) -> object:
    """Read a switch as templates render it, as "True"."""
    if isinstance(value, bool):
        return value
    known = _SWITCH.get(str(value).strip().lower())
    if known is None:
        raise ValueError("must be true or false")
    return known


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _frame(value: str) -> str:
    """Take a URL that anyone can read, or Base64 without a prefix (doc; raw Base64 seen)."""
    if value[:5].lower() == "data:":
        raise ValueError("must be Base64 without a `data:` prefix: drop everything up to and with the comma")
    scheme, separator, _ = value.partition("://")
    if separator:
        if scheme.lower() not in {"http", "https"}:
            raise ValueError(f"has the scheme `{scheme}://`; the queue reads http:// and https:// only")
        return value
    if len(value) % 4 or not _BASE64.fullmatch(value):
        raise ValueError("is neither a URL nor Base64")
    return value


def _aspect_ratio(value: str) -> str:
    if value not in kling.ASPECT_RATIOS:
        raise ValueError(f"must be one of {', '.join(kling.ASPECT_RATIOS)}")
    return value


Prompt = Annotated[str, Field(max_length=kling.PROMPT_MAX)]
Frame = Annotated[str, AfterValidator(_frame)]
Seconds = Annotated[int, BeforeValidator(_whole_seconds), Field(ge=kling.DURATION_MIN, le=kling.DURATION_MAX)]
Switch = Annotated[bool, BeforeValidator(_switch)]


class ClipOptions(BaseModel):
    """What is asked of a clip, its frames aside, so that it can be checked before a frame is read.

    :param prompt: what happens in the clip; 1 to 2500 characters (doc).
    :param negative_prompt: what to keep out; up to 2500 characters; optional (doc).
    :param duration: seconds, 3 to 15 (doc).
    :param sound: whether the clip gets an audio track (doc).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Annotated[Prompt, AfterValidator(_not_blank)]
    negative_prompt: Prompt | None = None
    duration: Seconds = kling.DURATION_DEFAULT
    sound: Switch = False

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """Check the fields and return them.

        :raises InvalidPayload: naming each field that breaks a limit, its value, and the limit.
        """
        try:
            return cls(**fields)
        except ValidationError as error:
            raise InvalidPayload("; ".join(_sentence(problem) for problem in error.errors()) + ".") from None

    def to_json(self) -> dict[str, str]:
        """Return the fields as the service wants them: every value a string, absent ones left out (doc)."""
        fields = {
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt or None,
            "duration": str(self.duration),
            "sound": "on" if self.sound else "off",
        }
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def price_usd(self) -> float:
        """What the clip costs, in US dollars."""
        price = kling.price_usd(kling.IMAGE_TO_VIDEO, self.duration, self.sound)
        assert price is not None  # noqa: S101 -- this model is in the price table
        return price


class ImageToVideo(ClipOptions):
    """One or two frames and what is asked of the clip between them.

    :param image: the start frame: an http(s) URL anyone can read, or Base64 without a prefix (doc).
    :param image_tail: the end frame, alike; optional (doc).
    """

    image: Frame
    image_tail: Frame | None = None

    def to_json(self) -> dict[str, str]:
        """Return the payload as the service wants it."""
        frames = {"image": self.image} | ({"image_tail": self.image_tail} if self.image_tail else {})
        return super().to_json() | frames


class TextToVideo(ClipOptions):
    """What is asked of a clip without frames.

    :param aspect_ratio: "16:9", "9:16" or "1:1" (the key doc, its values assumed).
    """

    aspect_ratio: Annotated[str, AfterValidator(_aspect_ratio)] = kling.ASPECT_RATIOS[0]

    def to_json(self) -> dict[str, str]:
        """Return the payload as the service wants it."""
        return super().to_json() | {"aspect_ratio": self.aspect_ratio}


def _sentence(problem: Any) -> str:
    """Turn one of pydantic's findings into: field, value, limit."""
    field = ".".join(str(part) for part in problem["loc"]) or "payload"
    value = problem["input"]
    context = problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            return f"`{field}` is missing"
        case "string_too_long":
            return f"`{field}` has {len(value)} characters; the limit is {context['max_length']}"
        case "greater_than_equal" | "less_than_equal":
            return f"`{field}` is {value!r}; it must be {kling.DURATION_MIN} to {kling.DURATION_MAX} seconds"
        case "extra_forbidden":
            return f"`{field}` is not a field of this model"
        case "value_error":
            return f"`{field}` is {_short(value)}: it {context['error']}"
        case _:
            return f"`{field}` is {_short(value)}: {problem['msg']}"


def _short(value: object, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
