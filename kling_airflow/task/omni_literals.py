"""The options of Omni clips and of elements, made of arguments; literals are checked when a DAG is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from kling_airflow import models
from kling_airflow.arguments import name_or_none, refuse_empty_template, refuse_empty_templates
from kling_airflow.errors import InvalidArgument
from kling_airflow.models import omni
from kling_airflow.task.frame_argument import check_frame, delivery, frame_or_none
from kling_airflow.task.omni_arguments import (
    element_ids,
    element_images,
    entries,
    pictures,
    refer_type,
    shots_of,
    video_or_none,
)
from kling_airflow.task.price_limit import limit_usd, refuse_above_limit

if TYPE_CHECKING:
    from kling_airflow.payloads import ClipOptions
    from kling_airflow.task.literals import Literals

_SCALARS: Final = ("prompt", "mode", "duration", "sound", "aspect_ratio")
_OMNI: Final = frozenset(
    (*_SCALARS, "image", "image_tail", "references", "elements", "shots", "video", "video_role")
)
_TEXTS: Final = ("element_name", "element_description")
_ELEMENT: Final = frozenset((*_TEXTS, "frontal_image", "refer_images", "tags"))
_LATER: Final = "{{ later }}"
"""Stands for what is known only when the task runs."""


def omni_options(given: Mapping[str, Any], written: Mapping[str, Any]) -> ClipOptions:
    """Return the options of a clip of ``kling-v3-omni``, all rules checked.

    :param given: the operator's arguments by name.
    :param written: the texts among them as they stand in the DAG, before templates are rendered.
    :raises InvalidArgument: naming everything that is wrong.
    """
    from kling_airflow.payloads import ClipOptions

    refuse_empty_template("prompt", given["prompt"], written["prompt"])
    refuse_empty_templates("shots", given["shots"], written["shots"])
    shots = shots_of(given["shots"])
    asked = _scalars(given) | {"duration": _seconds(given, shots)}
    if shots:
        asked |= {"multi_shot": True, "shot_type": "customize", "multi_prompt": shots}
    images: list[dict[str, str]] = [{} if kind is None else {"type": kind} for _, _, kind in pictures(given)]
    video = {"refer_type": refer_type(given["video_role"])} if video_or_none(given["video"]) else None
    return ClipOptions.of(
        models.OMNI,
        image_list=images or None,
        element_list=[{"element_id": each} for each in element_ids(given["elements"])] or None,
        video_list=[video] if video else None,
        **asked,
    )


def element_options(given: Mapping[str, Any], written: Mapping[str, Any]) -> ClipOptions:
    """Return the options of an element, all rules checked; parameters and errors as ``omni_options``."""
    from kling_airflow.payloads import ClipOptions

    for name in _TEXTS:
        refuse_empty_template(name, given[name], written[name])
    places = element_images(given)
    return ClipOptions.of(
        models.CREATE_ELEMENT,
        frames=places,
        **{name: given[name] for name in _TEXTS},
        refer_images=[None] * (len(places) - ("frontal_image" in places)) or None,
        tag_list=[{"tag_id": str(tag)} for tag in entries("tags", given["tags"])] or None,
    )


def check_literal_omni(given: Literals) -> None:
    """Refuse what is wrong in the literals of a clip, whatever the templates will say.

    :raises InvalidArgument: naming the argument and its value.
    """
    _check_shared(given, ("image", "image_tail"), ("references",))
    if given.keys() >= _OMNI:
        options = omni_options(given, given)
        if given.get("max_cost_usd") is not None:
            refuse_above_limit(given["max_cost_usd"], options.price_usd, str(options))
        return
    given.read("prompt", lambda name, value: refuse_empty_template(name, value, value))
    given.read("elements", lambda _, value: element_ids(value))
    given.read("video", lambda _, value: video_or_none(value))
    given.read("video_role", lambda _, value: refer_type(value))
    _check_some_options(given)


def check_literal_element(given: Literals) -> None:
    """Refuse what is wrong in the literals of an element, whatever the templates will say.

    :raises InvalidArgument: naming the argument and its value.
    """
    from kling_airflow.payloads import ClipOptions

    _check_shared(given, ("frontal_image",), ("refer_images",))
    if given.keys() >= _ELEMENT:
        element_options(given, given)
        return
    for name in _TEXTS:
        given.read(name, lambda name, value: refuse_empty_template(name, value, value))
    texts = {name: given.get(name, _LATER) for name in _TEXTS}
    ClipOptions.of_literals(models.CREATE_ELEMENT, **texts, refer_images=_LATER)


def _check_shared(given: Literals, frames: tuple[str, ...], lists: tuple[str, ...]) -> None:
    given.read("max_cost_usd", lambda _, value: limit_usd(value))
    given.read("image_delivery", lambda _, value: delivery(value))
    given.read("image_conn_id", name_or_none)
    for name in frames:
        given.read(name, _check_frame)
    for name in lists:
        given.read(name, _check_frames)


def _check_some_options(given: Literals) -> None:
    """Check options of which some are known only when the task runs."""
    from kling_airflow.payloads import ClipOptions

    shots = shots_of(given["shots"]) if given.get("shots") is not None else []
    if not shots:
        asked = _scalars({name: given.get(name, _LATER) for name in _SCALARS})
        ClipOptions.of_literals(models.OMNI, **asked, image_list=_LATER)
    elif "duration" in given:
        problems = omni.shot_problems(shots, _seconds(given, shots))
        if problems:
            raise InvalidArgument(f"{'; '.join(problems)}.")


def _check_frame(field: str, value: object) -> None:
    if frame_or_none(field, value) is not None:
        check_frame(field, value)


def _check_frames(field: str, value: object) -> None:
    for number, entry in enumerate(entries(field, value)):
        _check_frame(f"{field}.{number}", entry)


def _scalars(given: Mapping[str, Any]) -> dict[str, Any]:
    empty_is_none = {name: given[name] or None for name in ("prompt", "aspect_ratio")}
    return {name: given[name] for name in _SCALARS} | empty_is_none


def _seconds(given: Mapping[str, Any], shots: list[dict[str, Any]]) -> Any:
    """Return the duration that is asked for: what the user says, else what the shots last together."""
    if given["duration"] is not None or not shots:
        return given["duration"]
    return sum(int(shot["duration"]) for shot in shots)
