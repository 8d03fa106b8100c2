"""The pictures and the videos that payloads name, model by model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kling_airflow.simulator.queue.catalog import Inputs, InputVideo

OMNI_VIDEO = (3.0, 10.0)
MOTION_VIDEO = {"video": 30, "image": 10}


def frames(start: str, end: str | None = None) -> Callable[[dict[str, Any]], Inputs]:
    """Return the reader of a model whose frames are keys of their own."""

    def read(payload: dict[str, Any]) -> Inputs:
        return Inputs(payload.get(start) or None, (payload.get(end) or None) if end else None)

    return read


def video(key: str) -> Callable[[dict[str, Any]], Inputs]:
    """Return the reader of a model that is given a video."""

    def read(payload: dict[str, Any]) -> Inputs:
        return Inputs(videos=(InputVideo(payload[key]),) if payload.get(key) else ())

    return read


def omni(payload: dict[str, Any]) -> Inputs:
    """Read `image_list` by its types, and `video_list`."""
    images = payload.get("image_list") or []
    by_type = {image.get("type"): image["image_url"] for image in images if image.get("type")}
    others = tuple(image["image_url"] for image in images if not image.get("type"))
    start = by_type.get("first_frame")
    if start is None and others:  # so that a viewer sees their own picture
        start, *rest = others
        others = tuple(rest)
    videos = tuple(InputVideo(each["video_url"], *OMNI_VIDEO) for each in payload.get("video_list") or [])
    return Inputs(start, by_type.get("end_frame"), others, videos)


def omni_video_seconds(payload: dict[str, Any]) -> int | None:
    """Return what an edited video is billed as: the longest one."""
    edited = any(each.get("refer_type") == "base" for each in payload.get("video_list") or [])
    return int(OMNI_VIDEO[1]) if edited else None


def element(payload: dict[str, Any]) -> Inputs:
    """Read the pictures of an element."""
    return Inputs(payload.get("frontal_image"), others=tuple(payload.get("refer_images") or ()))


def motion(payload: dict[str, Any]) -> Inputs:
    """Read the character's picture, and the video to follow."""
    longest = MOTION_VIDEO[payload["character_orientation"]]
    return Inputs(payload["image_url"], videos=(InputVideo(payload["video_url"], 3.0, float(longest)),))


def motion_video_seconds(payload: dict[str, Any]) -> int | None:
    """Return what a clip is billed as: the longest video that may be followed."""
    return MOTION_VIDEO.get(str(payload.get("character_orientation")), 30)
