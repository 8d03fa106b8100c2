"""What a storyboard's take tells about itself in the storyboard's trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_airflow.hooks.shot_span import end_shot
from kling_airflow.task.shot_progress import Phase

if TYPE_CHECKING:
    from kling_airflow.task.shot_progress import ShotProgress


def trace_end(storyboard: str | None, each: ShotProgress, *, submit_timeout: float) -> None:
    """Make the span of a take that has landed or failed; nothing if tracing is off.

    :param storyboard: the place of the storyboard's first span; None if tracing is off.
    :param submit_timeout: seconds that the take's submission may take in all.
    """
    error = each.error or {}
    end_shot(
        storyboard,
        each.name,
        began_at=None if each.until is None else each.until - submit_timeout,
        values={
            "request_id": each.request_id or error.get("request_id"),
            "model": each.model,
            "take": each.take,
            "cost_usd": each.cost_usd,
            "shot_state": "landed" if each.phase is Phase.LANDED else "failed",
            "error.type": error.get("kind"),
            "money": str(error["money"]).lower() if error.get("money") else None,
        },
    )
