"""The rules that span several keys of a payload, as the vendor's pages have them; the texts are assumed."""

from __future__ import annotations

import re
from typing import Any

from kling_airflow.simulator.queue.catalog import Rule

MISSING = "Required parameter is missing"
_NAMED = re.compile(r"<<<\s*(image|element|video)_(\d{1,6})\s*>>>")


def omni(payload: dict[str, Any]) -> list[str]:
    """Check a payload of `kling-v3-omni`."""
    lists = {name: payload.get(name) or [] for name in ("image_list", "element_list", "video_list")}
    wrong = [
        f"{name} (Value must be a list of objects)"
        for name, items in lists.items()
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items)
    ]
    if wrong:
        return wrong
    images, elements, videos = lists.values()
    found = [*_shots(payload), *_images(images), *_elements(elements), *_videos(videos)]
    if videos and payload.get("sound") == "on":
        found.append("sound (Value must be off with a video)")
    most = 4 if videos else 7
    if len(images) + len(elements) > most:
        found.append(f"image_list (At most {most} images and elements)")
    framed = any(image.get("type") == "first_frame" for image in images)
    edited = any(video.get("refer_type") == "base" for video in videos)
    if not (payload.get("aspect_ratio") or framed or edited):
        found.append(f"aspect_ratio ({MISSING})")
    counts = {"image": len(images), "element": len(elements), "video": len(videos)}
    return found + _names(payload, counts)


def element(payload: dict[str, Any]) -> list[str]:
    """Check a payload of `kling-create-element`."""
    if payload.get("reference_type") == "video_refer":
        return [] if payload.get("refer_video") else [f"refer_video ({MISSING})"]
    found = [] if payload.get("frontal_image") else [f"frontal_image ({MISSING})"]
    images = payload.get("refer_images") or []
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        found.append("refer_images (Value must be a list of images)")
    elif not 1 <= len(images) <= 3:
        found.append("refer_images (1 to 3 images)")
    return found


def lip_sync(payload: dict[str, Any]) -> list[str]:
    """Check a payload of `kling-lip-sync`."""
    faces = payload.get("face_choose") or []
    fits = isinstance(faces, list) and all(isinstance(face, dict) and face.get("face_id") for face in faces)
    return [] if fits else ["face_choose (Value must be a list of faces)"]


def exactly_one(first: str, second: str) -> Rule:
    """Return the rule of two keys of which exactly one is given."""

    def check(payload: dict[str, Any]) -> list[str]:
        if bool(payload.get(first)) is bool(payload.get(second)):
            return [f"{first} (Exactly one of {first} and {second} is required)"]
        return []

    return check


def _shots(payload: dict[str, Any]) -> list[str]:
    multi = payload.get("multi_shot")
    if multi is not None and not isinstance(multi, bool):
        return ["multi_shot (Value must be a boolean)"]
    if not multi or payload.get("shot_type") == "intelligence":
        return [] if str(payload.get("prompt") or "").strip() else [f"prompt ({MISSING})"]
    shots = payload.get("multi_prompt")
    if not isinstance(shots, list) or not all(isinstance(shot, dict) for shot in shots):
        return [f"multi_prompt ({MISSING if shots is None else 'Value must be a list of shots'})"]
    if not 1 <= len(shots) <= 6:
        return ["multi_prompt (1 to 6 shots)"]
    seconds = [str(shot.get("duration") or "") for shot in shots]
    texts = [shot.get("prompt") for shot in shots]
    if not all(isinstance(text, str) and len(text.strip()) > 0 and len(text) <= 512 for text in texts):
        return ["multi_prompt (Each prompt must have 1 to 512 characters)"]
    if not all(each.isdecimal() and int(each[:6]) >= 1 for each in seconds):
        return ["multi_prompt (Each duration must be at least 1)"]
    if sum(int(each[:6]) for each in seconds) != int(payload.get("duration") or 5):
        return ["multi_prompt (The durations must add up to duration)"]
    return []


def _images(images: list[dict[str, Any]]) -> list[str]:
    types = [image.get("type") for image in images if image.get("type") is not None]
    if any(kind not in ("first_frame", "end_frame") for kind in types) or len(set(types)) < len(types):
        return ["image_list (Each type must be first_frame or end_frame, once at most)"]
    if "end_frame" in types and "first_frame" not in types:
        return ["image_list (An end_frame needs a first_frame)"]
    if not all(isinstance(image.get("image_url"), str) and image["image_url"] for image in images):
        return ["image_list (Each image needs an image_url)"]
    return []


def _elements(elements: list[dict[str, Any]]) -> list[str]:
    ids = [element.get("element_id") for element in elements]
    fits = all(isinstance(each, str | int) and str(each).strip() for each in ids)
    return [] if fits and True not in ids else ["element_list (Each element needs an element_id)"]


def _videos(videos: list[dict[str, Any]]) -> list[str]:
    if len(videos) > 1:
        return ["video_list (At most 1 video)"]
    if not all(isinstance(video.get("video_url"), str) and video["video_url"] for video in videos):
        return ["video_list (Each video needs a video_url)"]
    if any(video.get("refer_type") not in (None, "base", "feature") for video in videos):
        return ["video_list (Each refer_type must be base or feature)"]
    return []


def _names(payload: dict[str, Any], counts: dict[str, int]) -> list[str]:
    """Refuse a prompt that names what the payload doesn't have (assumed)."""
    shots = payload.get("multi_prompt") if payload.get("multi_shot") is True else None
    texts = [payload.get("prompt"), *(shot.get("prompt") for shot in shots or [] if isinstance(shot, dict))]
    wrong = {
        f"{kind}_list (The prompt names {kind}_{number})"
        for text in texts
        if isinstance(text, str)
        for kind, number in _NAMED.findall(text)
        if not 1 <= int(number) <= counts[kind]
    }
    return sorted(wrong)
