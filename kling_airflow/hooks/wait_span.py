"""The span of a wait. It is made when the wait has ended: a waiting clip holds a few numbers and no span."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from kling_airflow.errors import KlingError
from kling_airflow.hooks.span_names import WAIT
from kling_airflow.hooks.tracing import emit, failed, is_on

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from kling_airflow.gmi.request import Request
    from kling_airflow.polling.decision import Wait

MAX_EVENTS: Final = 50
"""Changes of the status that a wait keeps, at most."""


class WaitSpan:
    """What is known of a wait, until its span is made.

    Its begin is the wait's own, which the trigger's arguments carry: a wait that goes on in another
    triggerer is one span, with the changes that the last one has seen.

    :param wait: the request, and when the wait began.
    :param model: the request's model.
    :param connection: the id of the queue's connection.
    :param shot: the name of a storyboard's take; None if there is none.
    :param began_at: when the wait began, in Unix seconds, if ``wait`` is a part of it; None for its own.
    :param under: a place that the task has written down; None if it has not.
    """

    __slots__ = ("began_at", "changes", "connection", "model", "shot", "under", "wait")

    def __init__(
        self,
        wait: Wait,
        *,
        model: str | None,
        connection: str,
        shot: str | None = None,
        began_at: float | None = None,
        under: str | None = None,
    ) -> None:
        self.wait, self.model, self.connection = wait, model, connection
        self.shot, self.under = shot, under
        self.began_at = wait.started_at if began_at is None else began_at
        self.changes: list[tuple[float, str]] = []

    @classmethod
    def of(cls, wait: Wait, **values: Any) -> Self | None:
        """Return the span of a wait, None if tracing is off."""
        return cls(wait, **values) if is_on() else None

    def look(self, seen: Request | KlingError) -> None:
        """Note what a look brought, if the status has changed. It never raises: the poller calls it."""
        status = type(seen).__name__ if isinstance(seen, KlingError) else str(seen.status)
        if len(self.changes) < MAX_EVENTS and (not self.changes or self.changes[-1][1] != status):
            self.changes.append((time.time(), status))

    def end(self, end: Request | KlingError, context: Mapping[str, Any], *, flush: bool = False) -> None:
        """Make the span of a wait that has ended.

        :param end: what has ended it.
        :param context: the waiting task's context, or ``{"ti": ...}`` of its trigger.
        :param flush: hand the span over now, because the process of a task may end at once.
        """
        try:
            under, linked = self._places(context)
            emit(
                WAIT,
                under=under,
                linked=linked,
                began_at=min(self.began_at, time.time()),
                values=self._values(end),
                events=[(at, "status", {"status": status}) for at, status in self.changes],
                error=end if isinstance(end, KlingError) else None,
                flush=flush,
            )
        except Exception as error:
            failed(error)

    def _places(self, context: Mapping[str, Any]) -> tuple[Context | None, Context | None]:
        """Return what the span hangs under, and what it is linked to.

        A take's span hangs under its shot. Any other hangs under the span of Airflow that is current in the
        triggerer or the worker, with a link to the place that the task has written down.
        """
        from kling_airflow.hooks.airflow_tracer import place_of, read_place, written_place

        written, here = read_place(self.under), place_of(context)
        if written is None:
            return here, None
        if self.shot is not None or here is None:
            return written, None
        return here, None if written_place(here) == self.under else written

    def _values(self, end: Request | KlingError) -> dict[str, object]:
        from kling_airflow.polling.decision import to_event

        values: dict[str, object] = {
            "request_id": self.wait.request_id,
            "model": self.model,
            "connection": self.connection,
            "shot": self.shot,
            "outcome": to_event(end)["state"] if isinstance(end, KlingError) else "done",
        }
        if isinstance(end, KlingError):
            return values
        ran = None
        if end.created_at is not None and end.updated_at is not None:
            ran = end.updated_at - end.created_at
        return values | {
            "status": str(end.status),
            "cost_usd": end.clip().cost_usd,
            "queue_seconds": ran,
        }
