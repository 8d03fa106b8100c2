"""Whether a task that is being stopped has been ended by its user, so that its request may be cancelled.

A SIGTERM, or a trigger's ``on_kill``, says nothing about that: they also come with evictions, lost
heartbeats, redistributions and clears. Only the task's state does, and only four of its values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

_under_way: set[asyncio.Task[None]] = set()
"""The event loop itself holds its tasks only weakly."""

ENDED: Final = frozenset({"failed", "success", "skipped", "removed"})
"""States that only a user, or the end of the task itself, brings about."""


def is_over(states: Mapping[str, Mapping[str, Any]], run_id: str, task_id: str, map_index: int) -> bool:
    """Return whether a task instance is over; whatever is unclear is not.

    :param states: what Airflow answers: by run, then by task; a mapped instance is ``task_0``.
    """
    name = task_id if map_index < 0 else f"{task_id}_{map_index}"
    state = states.get(run_id, {}).get(name)
    return str(getattr(state, "value", state)) in ENDED


def task_is_over(ti: Any) -> bool:
    """Ask Airflow whether a task instance is over. It blocks, and must not be called in a signal handler.

    :param ti: a task instance: its ids are read.
    :return: False, too, where Airflow can't be asked.
    """
    try:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        map_index = _map_index(ti)
        states = RuntimeTaskInstance.get_task_states(
            dag_id=ti.dag_id,
            task_ids=[ti.task_id],
            run_ids=[ti.run_id],
            map_index=map_index if map_index >= 0 else None,
        )
        return is_over(states, ti.run_id, ti.task_id, map_index)
    except Exception:
        return False


async def cancel_if_over(ti: Any, gmi_conn_id: str, request_id: str, log: Any) -> None:
    """Cancel a request from the triggerer if its task is over, and log what was done and why.

    Airflow cancels a trigger anew at each turn of its loop, about every second, until it has ended, its
    ``on_kill`` included (seen in 3.3.2), and the first question to a triggerer's own API can take many
    seconds. So the work is a task of its own, which ends in its own time.

    :param ti: the trigger's task instance.
    """
    work = asyncio.create_task(_cancel_if_over(ti, gmi_conn_id, request_id, log))
    _under_way.add(work)
    work.add_done_callback(_under_way.discard)
    await asyncio.shield(work)


async def _cancel_if_over(ti: Any, gmi_conn_id: str, request_id: str, log: Any) -> None:
    from asgiref.sync import sync_to_async

    from kling_airflow.hooks.gmi import GMICloudHook

    try:
        if not await sync_to_async(task_is_over)(ti):
            log.info("Request %s stays alive: no user has ended the task.", request_id)
            return
        async with await GMICloudHook(gmi_conn_id).get_async_conn() as client:
            cancelled = await client.cancel(request_id)
    except Exception:
        log.exception("Request %s could not be cancelled.", request_id)
        return
    said = "was cancelled" if cancelled else "could not be cancelled"
    log.info("Request %s %s: its task was ended.", request_id, said)


def _map_index(ti: Any) -> int:
    map_index = getattr(ti, "map_index", -1)
    return -1 if map_index is None else int(map_index)
