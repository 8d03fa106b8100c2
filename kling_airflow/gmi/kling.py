"""What the vendor says of Kling v3: the models' names, their limits and their price. No imports, no I/O."""

from __future__ import annotations

from typing import Final

IMAGE_TO_VIDEO: Final = "kling-v3-image-to-video"
"""The model that turns one or two frames into a clip (doc)."""

TEXT_TO_VIDEO: Final = "kling-v3-text-to-video"
"""The model that makes a clip of a prompt alone (doc)."""

ASPECT_RATIOS: Final = ("16:9", "9:16", "1:1")
"""Shapes of a clip that no frame decides (doc names the key; the values are assumed)."""

PROMPT_MAX: Final = 2500
"""Characters a prompt may have (doc); the negative prompt's limit is that of the sibling pages (doc)."""

DURATION_MIN: Final = 3
DURATION_MAX: Final = 15
DURATION_DEFAULT: Final = 5
"""Seconds a clip may last (doc)."""

PRICE_PER_SECOND_USD: Final = {IMAGE_TO_VIDEO: (0.168, 0.252)}
"""Dollars a second, silent and with sound (the latter doc, the former seen by three users)."""


def price_usd(model: str, duration: int | None, sound: bool | None) -> float | None:
    """Return what a clip costs in US dollars, or None where the model or what was asked isn't known.

    :param model: the model's id.
    :param duration: seconds.
    :param sound: whether the clip has an audio track.
    """
    per_second = PRICE_PER_SECOND_USD.get(model)
    if per_second is None or duration is None or sound is None:
        return None
    return round(duration * per_second[sound], 3)
