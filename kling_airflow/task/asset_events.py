"""What the asset events of a task say about the file that it has stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def describe_events(
    outlets: Iterable[Any], context: Mapping[str, Any], uri: str, extra: Mapping[str, Any]
) -> None:
    """Put extras into the asset events of a task; an ``AssetAlias`` becomes the asset of the file itself.

    :param outlets: of the task.
    :param uri: of the file.
    :param extra: what the events say.
    """
    events = context.get("outlet_events")
    if not outlets or events is None:
        return
    from kling_airflow.airflow_compat import Asset, AssetAlias

    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            events[outlet].add(Asset(uri), extra=dict(extra))
        elif isinstance(outlet, Asset):
            events[outlet].extra.update(extra)
