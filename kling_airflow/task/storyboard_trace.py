"""The span of what one process does of a storyboard's task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kling_airflow.hooks.span_names import STORYBOARD
from kling_airflow.hooks.tracing import span
from kling_airflow.task.shot_progress import Phase

if TYPE_CHECKING:
    from kling_airflow.task.storyboard_run import StoryboardRun


@contextmanager
def traced(running: StoryboardRun, context: Mapping[str, Any]) -> Iterator[None]:
    """Trace the work of one process; the first one's span is what all shots of the task hang under.

    :param context: the task's context.
    """
    takes = running.progress
    known: dict[str, Any] = {"connection": running.options.gmi_conn_id, "clips": len(takes.takes)}
    with span(STORYBOARD, context, **known) as step:
        running.trace = running.trace or step.place()
        try:
            yield
        finally:
            landed, failed = (len(takes.of_phase(phase)) for phase in (Phase.LANDED, Phase.FAILED))
            step.set(landed=landed, failed=failed)
