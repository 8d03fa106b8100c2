"""What a task that has a clip hands on: the clip's dict, its link, and the asset events of its outlets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kling_airflow.links import push_clip
from kling_airflow.task.asset_events import describe_events

if TYPE_CHECKING:
    from kling_airflow.submission.order import Log


def hand_on_clip(context: Mapping[str, Any], clip: Mapping[str, Any], outlets: Iterable[Any]) -> None:
    """Push the clip's link, and say in the asset events which clip it is.

    :param outlets: the task's outlets; each asset's event carries ``request_id, cost_usd, duration_seconds``.
    """
    push_clip(context, clip["video_url"])
    extra = {
        "request_id": clip["request_id"],
        "cost_usd": clip.get("cost_usd"),
        "duration_seconds": clip.get("duration"),
        "label": clip.get("label"),
    }
    describe_events(outlets, context, extra)


def log_result(log: Log, clip: Mapping[str, Any]) -> None:
    """Say in the task's log that the result is there, and what of it is too large to be handed on."""
    seconds = "" if clip.get("duration") is None else f" ({clip['duration']} s)"
    log.info(
        "The %s of request %s is there%s.",
        "clip" if clip.get("video_url") else "result",
        clip["request_id"],
        seconds,
    )
    if clip.get("left_out"):
        log.warning(
            "The outcome's %s can't be handed on, because they are too large or no valid JSON."
            " GMICloudHook().get_conn().get(%r).outcome.values reads them.",
            ", ".join(f"`{name}`" for name in clip["left_out"][:20]),
            clip["request_id"],
        )
