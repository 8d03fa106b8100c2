"""Readers of what users give an Omni clip: elements, shots, lists of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kling_airflow.arguments import read_structure, text_or_none, whole_number
from kling_airflow.errors import InvalidArgument
from kling_airflow.models import omni
from kling_airflow.redaction import shown_value
from kling_airflow.task.frame_argument import frame_or_none
from kling_airflow.task.shot_failure import raise_if_failed

VIDEO_ROLES = {"reference": omni.REFERENCE, "edit": omni.EDIT}
"""The values of ``video_role``, and the payload's `refer_type` of each."""


def entries(field: str, value: object) -> list[Any]:
    """Return the entries of a list; one value alone is a list of it, and lists in it are flattened.

    :param value: a list, what a mapped task returned, the text of a list, one entry, or None.
    :raises InvalidArgument: for what is no entry and no list.
    """
    value = read_structure(value)
    if value is None:
        return []
    if isinstance(value, str | int | Mapping) or not isinstance(value, Iterable):
        return [value]
    if hasattr(value, "protocol") and hasattr(value, "path"):
        return [value]
    return [entry for inner in value for entry in entries(field, inner)]


def element_ids(value: object) -> list[str]:
    """Return the ids of elements, in order.

    :param value: ids, or what ``KlingCreateElementOperator`` or the sensor returned for one.
    :raises InvalidArgument: naming the entry that is no element.
    :raises GenerationFailed: with the words of the task that could not make the element.
    """
    return [_element_id(number, entry) for number, entry in enumerate(entries("elements", value))]


def _element_id(number: int, entry: object) -> str:
    found = entry
    if isinstance(entry, Mapping):
        raise_if_failed(entry)
        outcome = entry.get("outcome")
        found = entry.get("element_id") or (
            outcome.get("element_id") if isinstance(outcome, Mapping) else None
        )
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or text_or_none(found) is None:
        raise InvalidArgument(
            f"`elements.{number}` is {shown_value(entry)}; it must be an element id, or what"
            " KlingCreateElementOperator returns."
        )
    return found.strip()


def video_or_none(value: object) -> str | None:
    """Return the address of an input video; None if no video is given.

    :param value: what names a frame; or the dict of a clip, as an operator or the sensor returns it.
    :raises InvalidArgument: for anything else.
    :raises GenerationFailed: with the words of the task that could not make the clip.
    """
    value = read_structure(value)
    if isinstance(value, Mapping) and "uri" not in value:
        raise_if_failed(value)
        if not isinstance(value.get("video_url"), str):
            raise InvalidArgument(
                "`video` is a dict without `uri` and `video_url`; it must be that of a clip."
            )
        value = value["video_url"]
    return frame_or_none("video", value)


def shots_of(value: object) -> list[dict[str, Any]]:
    """Return the shots as the queue spells them, numbered from 1.

    :param value: dicts with ``prompt`` and ``duration`` (whole seconds), or the text of their list.
    :raises InvalidArgument: naming the shot that is none.
    """
    shots = []
    for number, entry in enumerate(entries("shots", value)):
        if not isinstance(entry, Mapping) or not entry.keys() <= {"index", "prompt", "duration"}:
            raise InvalidArgument(
                f"`shots.{number}` is {shown_value(entry)}; it must be a dict of `prompt` and `duration`."
            )
        seconds = whole_number(f"shots.{number}.duration", entry.get("duration"), least=1)
        prompt = text_or_none(entry.get("prompt")) or ""
        shots.append({"index": number + 1, "prompt": prompt, "duration": str(seconds)})
    return shots


def refer_type(video_role: object) -> str:
    """Return what the payload calls the role of a video.

    :raises InvalidArgument: for an unknown one.
    """
    role = VIDEO_ROLES.get(str(video_role).strip().lower())
    if role is None:
        raise InvalidArgument(f"`video_role` is {video_role!r}; it must be `reference` or `edit`.")
    return role


def pictures(given: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    """Return argument, address and type of each picture of a clip, in the order of the payload's list.

    :param given: the operator's arguments by name.
    """
    found: list[tuple[str, str, str | None]] = []
    for argument, kind in (("image", omni.FIRST_FRAME), ("image_tail", omni.END_FRAME)):
        if (address := frame_or_none(argument, given[argument])) is not None:
            found.append((argument, address, kind))
    for number, entry in enumerate(entries("references", given["references"])):
        argument = f"references.{number}"
        if (address := frame_or_none(argument, entry)) is not None:
            found.append((argument, address, None))
    return found


def element_images(given: Mapping[str, Any]) -> dict[str, str]:
    """Return the addresses of an element's pictures by their place in the payload, their argument, too.

    :param given: the operator's arguments by name.
    """
    found = {}
    if (address := frame_or_none("frontal_image", given["frontal_image"])) is not None:
        found["frontal_image"] = address
    images = [frame_or_none("refer_images", each) for each in entries("refer_images", given["refer_images"])]
    for number, address in enumerate(filter(None, images)):
        found[f"refer_images.{number}"] = address
    return found
