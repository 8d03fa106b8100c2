"""The rules of `kling-v3-omni` that span several fields, as the vendor's page has them (2026-04-10).

A payload is read as the queue spells it. Everything here is checked before money is spent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

SHOTS_MAX: Final = 6
SHOT_CHARACTERS: Final = 512
IMAGES_AND_ELEMENTS: Final = 7
IMAGES_AND_ELEMENTS_WITH_VIDEO: Final = 4
VIDEO_SECONDS: Final = (3, 10)
VIDEO_BYTES: Final = 200 * 1024 * 1024
FIRST_FRAME, END_FRAME = "first_frame", "end_frame"
EDIT, REFERENCE = "base", "feature"
"""What a video is for, as the payload's `refer_type` says: to be edited, or to be followed."""

_NAMED: Final = re.compile(r"<<<\s*(image|element|video)_(\d+)\s*>>>")


def problems(payload: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a payload: field, value and limit, a text for each."""
    lists = {name: _items(payload, name) for name in ("image_list", "element_list", "video_list")}
    found = [f"`{name}` is no list of objects" for name, items in lists.items() if items is None]
    images, elements, videos = (lists[name] or [] for name in lists)
    found += _prompt(payload)
    found += _images(images)
    found += _elements(elements)
    found += _videos(videos, payload)
    most = IMAGES_AND_ELEMENTS_WITH_VIDEO if videos else IMAGES_AND_ELEMENTS
    if len(images) + len(elements) > most:
        found.append(
            f"`image_list` and `element_list` have {len(images)} and {len(elements)} entries; together they"
            f" may have {most}{' beside a video' if videos else ''}"
        )
    framed = any(image.get("type") == FIRST_FRAME for image in images)
    edited = any(video.get("refer_type") == EDIT for video in videos)
    if not payload.get("aspect_ratio") and not framed and not edited:
        found.append(
            "`aspect_ratio` is missing; only a first frame, or a video that is edited, makes it needless"
        )
    counts = {"image": len(images), "element": len(elements), "video": len(videos)}
    return found + _names(payload, counts)


def _prompt(payload: Mapping[str, Any]) -> list[str]:
    shots = payload.get("multi_prompt")
    if payload.get("multi_shot") in (None, False, "", "false"):
        blank = not str(payload.get("prompt") or "").strip()
        found = ["`prompt` is missing; only `multi_shot` makes it needless"] if blank else []
        return [*found, "`multi_prompt` is given without `multi_shot`"] if shots else found
    if not isinstance(shots, list | tuple) or not all(isinstance(shot, Mapping) for shot in shots):
        return [] if payload.get("shot_type") == "intelligence" else ["`multi_prompt` is no list of shots"]
    return shot_problems(shots, payload.get("duration"))


def shot_problems(shots: Sequence[Mapping[str, Any]], duration: object) -> list[str]:
    """Return what is wrong with the entries of `multi_prompt`.

    :param duration: the payload's, in whole seconds; None for the default.
    """
    if not 1 <= len(shots) <= SHOTS_MAX:
        return [f"`multi_prompt` has {len(shots)} shots; it may have 1 to {SHOTS_MAX}"]
    found, total = [], 0
    for number, shot in enumerate(shots):
        text, seconds = str(shot.get("prompt") or ""), str(shot.get("duration") or "")
        if not text.strip():
            found.append(f"`multi_prompt.{number}.prompt` is missing")
        if len(text) > SHOT_CHARACTERS:
            found.append(
                f"`multi_prompt.{number}.prompt` has {len(text)} characters; the limit is {SHOT_CHARACTERS}"
            )
        if not seconds.isdecimal() or int(seconds[:9]) < 1:
            found.append(
                f"`multi_prompt.{number}.duration` is {seconds!r}; it must be 1 or more whole seconds"
            )
            continue
        total += int(seconds[:9])
    asked = "5" if duration is None else str(duration)
    if not found and asked.isdecimal() and total != int(asked[:9]):
        found.append(f"`multi_prompt` lasts {total} s in all, and `duration` is {asked}; they must be equal")
    return found


def _images(images: list[Mapping[str, Any]]) -> list[str]:
    types = [image.get("type") for image in images]
    found = [
        f"`image_list.{number}.type` is {kind!r}; it must be {FIRST_FRAME}, {END_FRAME}, or left out for a"
        " reference"
        for number, kind in enumerate(types)
        if kind not in {FIRST_FRAME, END_FRAME, None}
    ]
    found += [
        f"`image_list` has {types.count(kind)} images of the type {kind}; it may have 1"
        for kind in (FIRST_FRAME, END_FRAME)
        if types.count(kind) > 1
    ]
    if END_FRAME in types and FIRST_FRAME not in types:
        found.append(f"`image_list` has an image of the type {END_FRAME}, and none of the type {FIRST_FRAME}")
    return found


def _elements(elements: list[Mapping[str, Any]]) -> list[str]:
    return [
        f"`element_list.{number}.element_id` is missing"
        for number, element in enumerate(elements)
        if not str(element.get("element_id") or "").strip()
    ]


def _videos(videos: list[Mapping[str, Any]], payload: Mapping[str, Any]) -> list[str]:
    found = [f"`video_list` has {len(videos)} videos; it may have 1"] if len(videos) > 1 else []
    found += [
        f"`video_list.{number}.refer_type` is {video.get('refer_type')!r}; it must be {EDIT} or {REFERENCE}"
        for number, video in enumerate(videos)
        if video.get("refer_type") not in {EDIT, REFERENCE, None}
    ]
    if videos and payload.get("sound") not in {None, "off", False}:
        found.append(f"`sound` is {payload.get('sound')!r}; it must be off beside a video")
    return found


def _names(payload: Mapping[str, Any], counts: Mapping[str, int]) -> list[str]:
    """Refuse a prompt that names an image, an element or a video which the payload doesn't have."""
    shots = payload.get("multi_prompt")
    texts = {"prompt": payload.get("prompt")}
    for number, shot in enumerate(shots if isinstance(shots, list | tuple) else ()):
        if isinstance(shot, Mapping):
            texts[f"multi_prompt.{number}.prompt"] = shot.get("prompt")
    found = []
    for name, text in texts.items():
        for kind, number in _NAMED.findall(text) if isinstance(text, str) else ():
            if not 1 <= int(number[:9]) <= counts[kind]:
                found.append(
                    f"`{name}` names <<<{kind}_{number}>>>, and `{kind}_list` has {counts[kind]} entries"
                )
    return found


def _items(payload: Mapping[str, Any], name: str) -> list[Mapping[str, Any]] | None:
    """Return a list of objects; None if the field holds anything else."""
    value = payload.get(name)
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not all(isinstance(item, Mapping) for item in value):
        return None
    return list(value)
