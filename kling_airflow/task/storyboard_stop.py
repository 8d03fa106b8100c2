"""What becomes of a storyboard's requests when its task is stopped on a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.errors import Money
from kling_airflow.task.shot_progress import BoardProgress, Phase
from kling_airflow.task.stop import TaskStopped
from kling_airflow.task_instance.state import TaskEnd, task_end

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.hooks.gmi import GMICloudHook


def stopped(
    context: Mapping[str, Any], hook: GMICloudHook, progress: BoardProgress, *, cancel_on_kill: bool
) -> TaskStopped:
    """Cancel the requests if a user has ended the task, and return the error to raise.

    :param context: the task's context.
    :param progress: how far each take has come.
    :param cancel_on_kill: whether a user's end of the task cancels its requests.
    """
    alive = [each.request_id for each in progress.of_phase(Phase.WAITING) if each.request_id]
    end = task_end(context["ti"], fail_fast=bool(getattr(context.get("dag"), "fail_fast", False)))
    if end is TaskEnd.BY_USER and cancel_on_kill:
        client = hook.get_conn()
        alive = [request_id for request_id in alive if not client.cancel(request_id)]
        done = "their requests were cancelled" if not alive else f"{', '.join(alive)} go on"
        return TaskStopped(
            f"A user ended the task, and {done}.",
            money=Money.CANCELLED,
            todo="Clear the task to submit anew what was cancelled.",
        )
    error = TaskStopped(
        f"The task was stopped ({end.value}); {len(alive)} requests go on.",
        money=Money.HELD if alive else Money.IN_LEDGER,
        todo="The next try waits for them and buys none of them again.",
    )
    error.end = end
    return error
