"""What the asset events of a task say about what it has bought or stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def describe_events(
    outlets: Iterable[Any],
    context: Mapping[str, Any],
    extra: Mapping[str, Any],
    files: Iterable[tuple[str, Mapping[str, Any]]] = (),
) -> None:
    """Put extras into the asset events of a task; an ``AssetAlias`` becomes the assets of its files.

    What the DAG has put into an event itself, in ``pre_execute`` for instance, stays, unless it is named
    alike.

    :param outlets: of the task, as the user gave them: none is added.
    :param extra: what the event of each outlet that is an asset says.
    :param files: address and extras of each file that was stored.
    """
    events, outlets = context.get("outlet_events"), list(outlets)
    if not outlets or events is None:
        return
    from kling_airflow.airflow_compat import Asset, AssetAlias

    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            for uri, about in files:
                events[outlet].add(Asset(uri), extra=dict(about))
        elif isinstance(outlet, Asset):
            events[outlet].extra.update(extra)


def describe_file(
    outlets: Iterable[Any], context: Mapping[str, Any], uri: str, extra: Mapping[str, Any]
) -> None:
    """Put extras into the asset events of a task that has stored one file."""
    describe_events(outlets, context, extra, [(uri, extra)])
