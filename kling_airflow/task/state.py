"""The state of a task instance: whether a user has ended it, so that its request may be cancelled.

A SIGTERM, or the ``on_kill`` of a trigger, doesn't say that: both also come with evictions, lost
heartbeats, redistributions and clears. Only the state does, and only four of its values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from kling_airflow.task.key import task_key

_running: set[asyncio.Task[None]] = set()
"""Cancellations that are under way. The event loop itself holds its tasks only weakly."""

ENDED: Final = frozenset({"failed", "success", "skipped", "removed"})
"""States that only a user, or the end of the task itself, brings about."""


def has_ended(states: Mapping[str, Mapping[str, Any]], run_id: str, task_id: str, map_index: int) -> bool:
    """Return whether a task instance has ended; False if the states don't say.

    :param states: what Airflow returns: by run, then by task; a mapped task instance is ``task_0``.
    """
    name = task_id if map_index < 0 else f"{task_id}_{map_index}"
    state = states.get(run_id, {}).get(name)
    return str(getattr(state, "value", state)) in ENDED


def ended_by_user(ti: Any) -> bool:
    """Ask Airflow whether a user has ended a task instance; False, too, if Airflow can't be asked.

    It blocks, and must not be called in a signal handler.

    :param ti: a task instance; its ids are read.
    """
    try:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        key = task_key(ti)
        states = RuntimeTaskInstance.get_task_states(
            dag_id=key.dag_id,
            task_ids=[key.task_id],
            run_ids=[key.run_id],
            map_index=key.map_index if key.map_index >= 0 else None,
        )
        return has_ended(states, key.run_id, key.task_id, key.map_index)
    except Exception:
        return False


async def cancel_if_ended(ti: Any, gmi_conn_id: str, request_id: str, log: Any) -> None:
    """Cancel a request from the triggerer if a user has ended its task, and log what was done and why.

    Airflow cancels a trigger anew at each turn of its loop, about every second, until the trigger has ended,
    its ``on_kill`` included (seen in 3.3.2), and the first call to a triggerer's own API can take many
    seconds. So the work is an asyncio task of its own, which is not cancelled with the trigger.

    :param ti: the trigger's task instance.
    """
    work = asyncio.create_task(_cancel_if_ended(ti, gmi_conn_id, request_id, log))
    _running.add(work)
    work.add_done_callback(_running.discard)
    await asyncio.shield(work)


async def _cancel_if_ended(ti: Any, gmi_conn_id: str, request_id: str, log: Any) -> None:
    from asgiref.sync import sync_to_async

    from kling_airflow.hooks.gmi import GMICloudHook

    try:
        if not await sync_to_async(ended_by_user)(ti):
            log.info("Request %s stays alive: no user has ended the task.", request_id)
            return
        async with await GMICloudHook(gmi_conn_id).get_async_conn() as client:
            cancelled = await client.cancel(request_id)
    except Exception:
        log.exception("Request %s could not be cancelled.", request_id)
        return
    result = "was cancelled" if cancelled else "could not be cancelled"
    log.info("Request %s %s: its task was ended.", request_id, result)
