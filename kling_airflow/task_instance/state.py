"""The state of a task instance: whether a user has ended it, so that its request may be cancelled.

A SIGTERM, or the ``on_kill`` of a trigger, doesn't say that: both also come with evictions, lost
heartbeats, redistributions and clears. Only the state does, and only some of its values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.task_instance.key import task_key

if TYPE_CHECKING:
    from kling_airflow.submission.task_key import TaskKey

_running: set[asyncio.Task[None]] = set()
"""Cancellations that are under way. The event loop itself holds its tasks only weakly."""

BY_USER: Final = frozenset({"failed", "success", "removed"})
"""States that a waiting task gets only from a user, or with its own end."""
FAILED: Final = frozenset({"failed", "upstream_failed"})


class TaskEnd(Enum):
    """Who has ended a task instance."""

    NOT_ENDED = "no user has ended the task"
    """Or that is not known: Airflow can't be asked, or has no such task instance."""
    BY_USER = "a user has ended the task"
    UNCLEAR = "the task was ended by a user, by `dagrun_timeout` or by another task's failure (`fail_fast`)"
    """``dagrun_timeout`` and ``fail_fast`` set waiting tasks to ``skipped``, and ``fail_fast`` sets running
    ones to ``failed`` (Airflow 3.3.2); a user can set both states, too."""


def end_in(states: Mapping[str, Mapping[str, Any]], run_id: str, task_id: str, map_index: int) -> TaskEnd:
    """Return how a task instance has ended, by its state.

    :param states: what Airflow returns: by run, then by task; a mapped task instance is ``task_0``.
    """
    state = states.get(run_id, {}).get(_name(task_id, map_index))
    text = str(getattr(state, "value", state))
    if text in BY_USER:
        return TaskEnd.BY_USER
    return TaskEnd.UNCLEAR if text == "skipped" else TaskEnd.NOT_ENDED


def task_end(ti: Any, *, fail_fast: bool = False) -> TaskEnd:
    """Ask Airflow how a task instance has ended; ``NOT_ENDED``, too, if Airflow can't be asked.

    It blocks, and must not be called in a signal handler.

    :param ti: a task instance; its ids are read.
    :param fail_fast: whether another task's failure fails the running tasks of the DAG.
    """
    try:
        key = task_key(ti)
        states = instance_states(
            key.dag_id, key.run_id, [key.task_id], key.map_index if key.map_index >= 0 else None
        )
        end = end_in(states, key.run_id, key.task_id, key.map_index)
        if end is TaskEnd.BY_USER and fail_fast and _another_failed(key):
            return TaskEnd.UNCLEAR
    except Exception:
        return TaskEnd.NOT_ENDED
    return end


def _another_failed(key: TaskKey) -> bool:
    """Return whether a task of the run has failed besides this one; True, too, if that is not known."""
    try:
        states = instance_states(key.dag_id, key.run_id, None, None)[key.run_id]
    except Exception:
        return True
    own = _name(key.task_id, key.map_index)
    return any(str(getattr(state, "value", state)) in FAILED for name, state in states.items() if name != own)


def _name(task_id: str, map_index: int) -> str:
    """Return a task instance's name in Airflow's states."""
    return task_id if map_index < 0 else f"{task_id}_{map_index}"


def instance_states(dag_id: str, run_id: str, task_ids: list[str] | None, map_index: int | None) -> Any:
    """Return the states of task instances of a run: by run, then by task; a mapped one is ``task_0``.

    :param task_ids: None for all tasks.
    :param map_index: None for all.
    """
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    return RuntimeTaskInstance.get_task_states(
        dag_id=dag_id, task_ids=task_ids, run_ids=[run_id], map_index=map_index
    )


async def cancel_if_ended(ti: Any, gmi_conn_id: str, request_id: str, log: Any) -> None:
    """Cancel a request from the triggerer if a user has ended its task, and log what was done and why.

    Airflow cancels a trigger anew at each turn of its loop, about every second, until the trigger has ended,
    its ``on_kill`` included (seen in 3.3.2), and the first call to a triggerer's own API can take many
    seconds. So the work is an asyncio task of its own, which is not cancelled with the trigger.

    :param ti: the trigger's task instance.
    """
    await cancel_all_if_ended(ti, gmi_conn_id, [request_id], log)


async def cancel_all_if_ended(ti: Any, gmi_conn_id: str, request_ids: Sequence[str], log: Any) -> None:
    """Cancel several requests of one task, as :func:`cancel_if_ended` cancels one.

    :param ti: the trigger's task instance.
    """
    work = asyncio.create_task(_cancel_if_ended(ti, gmi_conn_id, request_ids, log))
    _running.add(work)
    work.add_done_callback(_running.discard)
    await asyncio.shield(work)


async def _cancel_if_ended(ti: Any, gmi_conn_id: str, request_ids: Sequence[str], log: Any) -> None:
    from asgiref.sync import sync_to_async

    from kling_airflow.hooks.gmi import GMICloudHook

    remaining = list(request_ids)
    try:
        end = await sync_to_async(task_end)(ti)
        if end is not TaskEnd.BY_USER:
            for request_id in remaining:
                log.info("Request %s stays alive: %s.%s", request_id, end.value, _ADVICE[end])
            return
        async with await GMICloudHook(gmi_conn_id).get_async_conn() as client:
            while remaining:
                cancelled = await client.cancel(remaining[0])
                result = "was cancelled" if cancelled else "could not be cancelled"
                log.info("Request %s %s: its task was ended.", remaining.pop(0), result)
    except Exception:
        log.exception("Request %s could not be cancelled.", ", ".join(remaining))


_ADVICE: Final = {
    TaskEnd.NOT_ENDED: "",
    TaskEnd.UNCLEAR: " Its clip is paid for when it succeeds. Clear the task to wait for it and buy nothing,"
    " or cancel the request in the GMI Cloud console.",
}
