"""The rules of models that are given pictures or a video of what they make: elements, faces, voices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

REFERENCE_IMAGES: Final = (1, 3)
"""How many pictures an element of pictures has beside the frontal one."""


def element_problems(payload: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the pictures, or the video, that an element is made of."""
    if payload.get("reference_type", "image_refer") == "video_refer":
        return [] if payload.get("refer_video") else ["`refer_video` is missing"]
    found = [] if payload.get("frontal_image") else ["`frontal_image` is missing"]
    images = payload.get("refer_images")
    count = len(images) if isinstance(images, list | tuple) else 0
    least, most = REFERENCE_IMAGES
    if not least <= count <= most:
        found.append(f"`refer_images` has {count} entries; it must have {least} to {most}")
    return found


def voice_problems(payload: Mapping[str, Any]) -> list[str]:
    """Refuse both sources of a voice, and none."""
    return _exactly_one(payload, "voice_url", "video_id")


def video_problems(payload: Mapping[str, Any]) -> list[str]:
    """Refuse both sources of a video, and none."""
    return _exactly_one(payload, "video_url", "video_id")


def _exactly_one(payload: Mapping[str, Any], first: str, second: str) -> list[str]:
    if bool(payload.get(first)) is bool(payload.get(second)):
        return [f"exactly one of `{first}` and `{second}` must be given"]
    return []
