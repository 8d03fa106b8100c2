"""One shot of a storyboard, checked: what is asked, of which model, with which frames, how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from kling_airflow.models import IMAGE_TO_VIDEO, TEXT_TO_VIDEO, TURBO_IMAGE_TO_VIDEO, TURBO_TEXT_TO_VIDEO
from kling_airflow.payloads import ClipOptions

FIELDS: Final = (
    "name",
    "frame",
    "end_frame",
    "prompt",
    "negative_prompt",
    "duration",
    "sound",
    "resolution",
    "aspect_ratio",
    "model",
    "takes",
    "continues",
)
"""The fields of a shot, in the order in which people read them."""
FRAMES: Final = {"frame": "image", "end_frame": "image_tail"}
"""The operators' argument for each frame of a shot."""
OPTIONS: Final = ("prompt", "negative_prompt", "duration", "sound", "resolution", "aspect_ratio")
"""The fields that are the model's options."""
SHOT_MODELS: Final = (IMAGE_TO_VIDEO, TEXT_TO_VIDEO, TURBO_IMAGE_TO_VIDEO, TURBO_TEXT_TO_VIDEO)
"""The models of a shot: those that make a clip of a frame and a prompt, or of a prompt alone."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A shot that can be ordered.

    :param name: the shot's name, which names its files and tells its orders from those of other shots.
    :param options: the model and what is asked of it.
    :param frame: the address of the start frame; None if there is none, or the shot continues another.
    :param end_frame: the address of the end frame; None if there is none.
    :param takes: how many takes are made; each is bought.
    :param continues: the name of the shot on whose last frame this one begins; None if it begins on its own.
    :param line: the line of the file; None if there is no file.
    """

    name: str
    options: ClipOptions
    frame: str | None = None
    end_frame: str | None = None
    takes: int = 1
    continues: str | None = None
    line: int | None = None

    @property
    def model(self) -> str:
        """The model's id."""
        return self.options.spec.id

    @property
    def take_names(self) -> tuple[str, ...]:
        """The name of each take, which names its files: ``launch``, or ``launch.1`` and ``launch.2``."""
        return tuple(take_name(self.name, take, self.takes) for take in range(1, self.takes + 1))

    def to_json(self) -> dict[str, Any]:
        """Return the shot as a storyboard has it, with all defaults; it can be read again."""
        values = {**self.options.values, **{name: getattr(self, name) for name in ("frame", "end_frame")}}
        values |= {"name": self.name, "model": self.model, "takes": self.takes, "continues": self.continues}
        return {name: values[name] for name in FIELDS if values.get(name) is not None}


def take_name(name: str, take: int, takes: int) -> str:
    """Return the name of a take: the shot's own if the shot has only one."""
    return name if takes == 1 else f"{name}.{take}"
