"""What a task that has a clip hands on: the clip's dict, its link, and the asset events of its outlets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from kling_airflow.links import push_clip

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import Context


def hand_on_clip(context: Mapping[str, Any], clip: Mapping[str, Any], outlets: Iterable[Any]) -> None:
    """Push the clip's link, and say in the asset events which clip it is.

    :param outlets: the task's outlets; each asset's event carries ``request_id, cost_usd, duration_seconds``.
    """
    push_clip(cast("Context", context), clip["video_url"])
    extra = {
        "request_id": clip["request_id"],
        "cost_usd": clip.get("cost_usd"),
        "duration_seconds": clip.get("duration"),
        "label": clip.get("label"),
    }
    add_to_asset_events(context, outlets, extra)


def add_to_asset_events(context: Mapping[str, Any], outlets: Iterable[Any], extra: Mapping[str, Any]) -> None:
    """Add extras to the asset event of each outlet that is an asset."""
    events = context.get("outlet_events")
    outlets = list(outlets)
    if events is None or not outlets:
        return
    from kling_airflow.airflow_compat import Asset

    for outlet in outlets:
        if isinstance(outlet, Asset):
            events[outlet].extra.update(extra)
