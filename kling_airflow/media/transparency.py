"""Transparency: color keys of 16 bits, alpha that means nothing, pictures that are wholly transparent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from kling_airflow.errors import InvalidFrame

if TYPE_CHECKING:
    from PIL import Image

log = logging.getLogger(__name__)


def check_visible(image: Image.Image) -> None:
    """Refuse a picture that is wholly transparent: its frame would be the plain background.

    :raises InvalidFrame: if no pixel shows anything.
    """
    if image.mode not in ("LA", "RGBA"):
        return
    if image.getchannel("A").getextrema() == (0, 0):
        raise InvalidFrame(
            "The picture is wholly transparent: every pixel has alpha 0, so that a frame would show the "
            "background only.",
            todo="Save the picture without its alpha channel, or use another picture.",
        )


def without_empty_alpha(image: Image.Image) -> Image.Image:
    """Return the image without its alpha channel if that is zero throughout.

    For formats whose fourth byte is often left unset, such as 32-bit BMP: there, zeros mean nothing.
    """
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0):
        log.info("The alpha channel is zero throughout, as programs leave it that don't use it: ignored.")
        return image.convert("RGB")
    return image


def key_to_alpha(image: Image.Image, key: int) -> Image.Image:
    """Return a 16-bit gray as 8-bit gray with alpha, transparent where a pixel has exactly the key.

    :param image: of mode I;16 or a relative of it.
    :param key: 0 to 65535.
    """
    from PIL import Image

    whole = image.convert("I")
    table = [255] * 65536
    table[key] = 0
    gray = whole.point([(level * 255 + 32767) // 65535 for level in range(65536)], "L")
    return Image.merge("LA", (gray, whole.point(table, "L")))
