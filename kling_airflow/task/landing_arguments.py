"""What people hand to a landing, read as what is meant: the clip, its frames, its destination."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import check_location, is_http, shown
from kling_airflow.arguments import (
    name_or_none,
    one_of,
    read_object_options,
    read_structure,
    seconds,
    switch_or_none,
    text_or_none,
    whole_number,
)
from kling_airflow.errors import InvalidArgument
from kling_airflow.media.limits import ON_MISMATCH

if TYPE_CHECKING:
    from kling_airflow.clip import Clip
    from kling_airflow.task.literals import Literals

_REQUEST_ID = r"[A-Za-z0-9][\w.:-]{0,127}"


def read_clip(value: object, ask: Callable[[str], Clip]) -> Clip:
    """Return the clip that a value names.

    :param value: the dict that a task returned; its JSON, or its text as a template renders it; a list of
        one; or a request id.
    :param ask: asks the queue for the clip of a request id.
    :raises InvalidArgument: for anything else.
    """
    from kling_airflow.clip import Clip

    value = read_structure(value)
    if isinstance(value, list | tuple) and len(value) == 1:
        value = read_structure(value[0])
    if isinstance(value, str) and re.fullmatch(_REQUEST_ID, value):
        return ask(value)
    if isinstance(value, str | list | tuple):
        raise InvalidArgument(
            f"`clip` is {shown(value)!r}; it must be the dict that GMICloudRequestSensor returns, its JSON,"
            " or a request id. A mapped task hands on a list: map the landing over it with expand(clip=...)."
        )
    return Clip.read(value)


def read_frames(frames: object) -> list[Mapping[str, Any]]:
    """Return what ``PrepareFrameOperator`` returned: one dict or several; None, a skipped frame, is left out.

    :raises InvalidArgument: for anything else.
    """
    frames = read_structure(frames)
    if frames is None:
        return []
    found = (
        [frames] if isinstance(frames, Mapping | str) or not isinstance(frames, Iterable) else list(frames)
    )
    kept: list[Mapping[str, Any]] = []
    for frame in map(read_structure, found):
        if not frame:
            continue
        if not isinstance(frame, Mapping) or not frame.get("uri"):
            raise InvalidArgument(
                f"`frames` holds {shown(frame)!r}; each must be what PrepareFrameOperator returns, with"
                " a uri."
            )
        kept.append(frame)
    return kept


def check_destination(destination: object) -> str:
    """Return the address that a clip is stored at.

    :raises InvalidArgument: it is no address of one MP4 file in a store.
    """
    uri = check_location(destination, "destination")
    if is_http(uri):
        raise InvalidArgument(f"`destination` is {shown(uri)!r}; nothing can be stored over http.")
    if not uri.lower().endswith(".mp4"):
        raise InvalidArgument(
            f"`destination` is {shown(uri)!r}; it must end in .mp4, which is what clips are."
        )
    return uri


def asked_seconds(field: str, value: object) -> float | None:
    """Return a length of time in seconds; None for None and what templates make of it."""
    return None if text_or_none(value) is None else seconds(field, value)


def check_literal_landing(given: Literals) -> None:
    """Refuse, when the DAG is parsed, what is wrong in the literals of a landing.

    :raises InvalidArgument: naming the argument and its value.
    """
    given.read("clip", lambda _, value: read_clip(value, _asked_for_later), none=True)
    given.read("destination", lambda _, value: check_destination(value), none=True)
    for name in ("destination_conn_id", "gmi_conn_id", "prompt", "signing_conn_id"):
        given.read(name, name_or_none)
    for name in ("duration", "download_timeout"):
        given.read(name, asked_seconds)
    for name in ("sound", "poster", "overwrite"):
        given.read(name, switch_or_none)
    for name in ("max_bytes", "max_pixels"):
        given.read(name, lambda name, value: number_or(name, value, 1))
    given.read("frames", lambda _, value: read_frames(value))
    given.read("object_options", lambda _, value: read_object_options(value))
    if text_or_none(given.get("on_mismatch")) is not None:
        one_of("on_mismatch", given["on_mismatch"], ON_MISMATCH)


def _asked_for_later(request_id: str) -> Clip:
    """Stand for the clip of a request id that is asked for when the task runs."""
    from kling_airflow.clip import Clip

    return Clip(request_id=request_id)


def number_or(field: str, value: object, usual: int) -> int:
    """Return a whole number; the usual one for None and what templates make of it."""
    return usual if text_or_none(value) is None else whole_number(field, value, least=1)


def task_of(context: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return for the sidecar which task instance lands, in which iteration of a loop; None outside a task.

    It is plain JSON: Airflow 3.4 gives a task instance a ``region_id`` that is a UUID.
    """
    from kling_airflow.task_instance.key import task_key

    ti: Any = context.get("ti")
    return None if ti is None else task_key(ti, context.get("loop")).to_json()
