"""The arguments of a storyboard's task, read as what is meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.addresses import check_location, is_http, read_address, shown
from kling_airflow.arguments import amount, read_structure, text_or_none, whole_number
from kling_airflow.errors import InvalidArgument
from kling_airflow.hooks.allowed_addresses import WrittenPlaces
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.task.operator import KlingTask
from kling_airflow.task.options import GenerationOptions
from kling_airflow.task.stop_flag import StopFlag

if TYPE_CHECKING:
    from kling_airflow.media.frame import FrameOptions
    from kling_airflow.storyboard.board import Storyboard

ON_SHOT_FAILURE: Final = ("fail_at_end", "fail_fast", "continue")
"""The values of ``on_shot_failure``: what follows if a shot fails."""
IN_FLIGHT: Final = 20
"""Requests in the queue at a time, for a task that names no pool."""
_DEFAULT_POOL: Final = "default_pool"


class StoryboardArguments(KlingTask):
    """What the parts of a storyboard's task read of its operator; the arguments are the operator's."""

    storyboard: Any
    destination: Any
    max_in_flight: int | str | None
    on_shot_failure: str
    max_cost_usd: float | str | None
    budget_usd: float | str | None
    aspect_ratio: str | None
    fit: str
    image_delivery: str
    storyboard_conn_id: str | None
    image_conn_id: str | None
    destination_conn_id: str | None
    adopt_request_ids: Mapping[str, str] | None
    land_every: float | timedelta
    on_mismatch: str
    overwrite: bool
    poster: bool
    signing_conn_id: str | None
    object_options: Mapping[str, Any] | None
    gmi_conn_id: str
    deferrable: bool
    written_places: WrittenPlaces
    stop: StopFlag
    """Set when the task is told to end."""

    @cached_property
    def hook(self) -> GMICloudHook:
        """The queue's connection."""
        return GMICloudHook(self.gmi_conn_id)


def options_of(task: StoryboardArguments) -> GenerationOptions:
    """Return how the task submits and waits.

    :param task: the operator.
    """
    ours = {"adopt_request_id": None, "wait_for_completion": True}
    return GenerationOptions.read({**vars(task), **ours})


def in_flight_of(task: StoryboardArguments) -> int:
    """Return how many requests may be in the queue at a time.

    :param task: the operator.
    """
    if text_or_none(task.max_in_flight) is not None:
        return whole_number("max_in_flight", task.max_in_flight, least=1)
    return int(task.pool_slots) if task.pool not in (None, _DEFAULT_POOL) else IN_FLIGHT


def budget_of(task: StoryboardArguments) -> float | None:
    """Return the limit of the whole storyboard in US dollars; None, and only None, is no limit.

    :raises InvalidArgument: for anything that is no amount, and for 0.
    """
    return None if task.budget_usd is None else read_budget("budget_usd", task.budget_usd)


def read_budget(name: str, value: object) -> float:
    """Return a budget in US dollars.

    :raises InvalidArgument: for anything that is no amount, and for 0.
    """
    budget = amount(name, value)
    if budget == 0:
        raise InvalidArgument(f"`{name}` is 0: nothing could be bought. Leave it out, or name an amount.")
    return budget


def frame_options_of(task: StoryboardArguments) -> FrameOptions | None:
    """Return how pictures are made frames; None if they are used as they are.

    :raises InvalidArgument: for a shape or a way that there is not.
    """
    from kling_airflow.media.frame import FrameOptions

    shape = text_or_none(task.aspect_ratio)
    return None if shape is None else FrameOptions(aspect_ratio=shape, fit=text_or_none(task.fit) or "cover")


def folder_of(destination: object) -> str:
    """Return the address of the folder that clips go to, without a slash at its end.

    :raises InvalidArgument: for what is no folder in a store.
    """
    folder = read_address("destination", destination).rstrip("/")
    check_location(f"{folder}/clip.mp4", "destination")
    if is_http(folder) or folder.lower().endswith(".mp4"):
        raise InvalidArgument(
            f"`destination` is {shown(folder)!r}; it must be a folder in a store, such as s3://clips/spring."
        )
    return folder


def adopted(value: object) -> dict[str, str]:
    """Return request ids by the name of the take.

    :raises InvalidArgument: for what is no dict of texts.
    """
    value = read_structure(value)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidArgument(f"`adopt_request_ids` is {type(value).__name__}; it must be a dict.")
    ids = {str(name): text_or_none(request_id) for name, request_id in value.items()}
    return {name: request_id for name, request_id in ids.items() if request_id is not None}


def load_board(task: StoryboardArguments) -> Storyboard:
    """Read the storyboard and check all of it.

    :param task: the operator, its templates rendered.
    :raises InvalidArgument: if it can't be read, or something is wrong with it.
    """
    from kling_airflow.hooks.storyboard_file import read_storyboard
    from kling_airflow.storyboard.board import Storyboard

    source = read_structure(task.storyboard)
    if source is None:
        raise InvalidArgument("`storyboard` is empty; it must be a file or a list of shots.")
    if not _is_file(source):
        return Storyboard.load(source)
    return read_storyboard(source, conn_id=text_or_none(task.storyboard_conn_id), written=task.written_places)


def written_frames(storyboard: object) -> list[Any]:
    """Return the addresses that a storyboard in the DAG's code names for frames.

    A file's own content is data; a frame beside a file that the code names is trusted as the file is.
    """
    if _is_file(storyboard):
        address = str(storyboard) if not isinstance(storyboard, PurePath) else storyboard.as_uri()
        return [f"{address.rpartition('/')[0]}/"]
    return list(_frames_in(storyboard))


def _frames_in(storyboard: object) -> Iterator[Any]:
    shots = storyboard.get("shots") if isinstance(storyboard, Mapping) else storyboard
    for shot in shots if isinstance(shots, list | tuple) else ():
        if isinstance(shot, Mapping):
            yield from (shot[name] for name in ("frame", "end_frame") if shot.get(name))


def _is_file(source: object) -> bool:
    return isinstance(source, str | PurePath) or (hasattr(source, "protocol") and hasattr(source, "path"))
