"""The span of a landing: what was stored, where, and what its checks have said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kling_airflow.addresses import shown
from kling_airflow.hooks.span_names import LAND
from kling_airflow.hooks.tracing import failed, span

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_airflow.clip import Clip
    from kling_airflow.media.sidecar import Sidecar


@contextmanager
def landing(
    context: Mapping[str, Any],
    clip: Clip,
    *,
    connection: str | None = None,
    shot: str | None = None,
    under: str | None = None,
) -> Iterator[Callable[[Sidecar, bool], None]]:
    """Trace the landing of a clip; what it gives is the ``on_landed`` of the landing's options.

    :param context: the task's context.
    :param connection: the id of the queue's connection.
    :param shot: the name of a storyboard's take; None if there is none.
    :param under: the place of the span that it hangs under; None for the task's.
    """
    known: dict[str, Any] = {
        "request_id": clip.request_id,
        "model": clip.model,
        "cost_usd": clip.cost_usd,
        "connection": connection,
        "shot": shot,
    }
    with span(LAND, context, under=under, **known) as step:

        def landed(sidecar: Sidecar, before: bool) -> None:
            try:
                checks = {f"{name}_check": said for name, said in sidecar.checks.items()}
                stored = {"bytes": sidecar.bytes, "destination": shown(sidecar.uri)}
                step.set(**checks, **stored, landed_before=before)
            except Exception as error:  # the clip has landed, whatever its sidecar says
                failed(error)

        yield landed
