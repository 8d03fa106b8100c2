"""What a try knows of a task instance whose ledger may be discarded, so that it searches before it buys.

Airflow 3.4 and later discard the task state store when a user clears a task, unless "keep task state" is
ticked; clearing a whole run keeps it in 3.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from kling_airflow.links import REQUEST_ID_KEY
from kling_airflow.submission.lost_memory import LostMemory
from kling_airflow.submission.order import Log
from kling_airflow.submission.task_key import TaskKey
from kling_airflow.task.tries import Tries
from kling_airflow.task_instance.state import instance_states

SLACK: Final = 300.0
"""Seconds that the clocks of Airflow and of the queue may differ."""
FRAME_SECONDS: Final = 60.0
"""Seconds for reading one frame back from the queue's storage."""
_NOT_BEGUN: Final = frozenset({"None", "scheduled", "queued", "removed", "restarting"})


def lost_memory(
    context: Mapping[str, Any], key: TaskKey, tries: Tries, on_clear: str, log: Log, *, queue_url: str
) -> LostMemory | None:
    """Return what to search by if the ledger turns out to be discarded; None if nothing is to be searched.

    A first try has nothing to search for, and neither has a retry in a run that no user has cleared. Under
    ``on_clear="buy"`` the first try after a clear searches nothing either; a retry in a cleared run does,
    because a clear of a running task looks like a retry.

    The first try of a map index in a cleared run searches for what another map index has bought: if a row was
    inserted at the front of the list, the last map index is new, and its shot is not.

    :param queue_url: the queue's base URL: frames are read from its host, too, if it is private.
    """
    moved = tries.may_have_moved and key.map_index >= 0 and on_clear != "buy"
    lost = tries.may_have_lost_memory and not (on_clear == "buy" and tries.cleared)
    if not moved and not lost:
        return None
    return LostMemory(
        since=_run_began(context) - SLACK,
        read_frame=partial(read_public_frame, queue_url=queue_url),
        claimed=_claimed(context, key, log),
        cleared=tries.cleared or moved,
    )


def read_public_frame(url: str, *, queue_url: str) -> bytes:
    """Return the bytes of a frame at a public address, or on the queue's host, with the limits of a frame.

    The address stands in another request's echo, so it is data: no other private host is asked.

    :raises DownloadFailed: if they don't arrive.
    """
    from kling_airflow.hooks.allowed_addresses import http_guard
    from kling_airflow.media.download import DownloadLimits, read_url
    from kling_airflow.media.limits import MAX_FRAME_BYTES
    from kling_airflow.submission.normal_form import place

    queue = place(queue_url)
    guard = http_guard("image", (), confined=False, trusts=lambda hop: place(hop) == queue)
    limits = DownloadLimits(max_bytes=MAX_FRAME_BYTES, deadline=FRAME_SECONDS, attempts=2)
    return read_url(url, limits, guard=guard)


def _run_began(context: Mapping[str, Any]) -> float:
    """Return when the first try can have begun, at the earliest.

    A clear of a finished run sets the run's ``start_date`` anew (Airflow 3.3.2); ``run_after`` stays.
    """
    run = context.get("dag_run")
    times = [getattr(run, name, None) for name in ("run_after", "start_date", "logical_date")]
    known = [time.timestamp() for time in times if isinstance(time, datetime)]
    return min(known, default=0.0)


def _claimed(context: Mapping[str, Any], key: TaskKey, log: Log) -> frozenset[str]:
    """Return the request ids of the other mapped instances that have begun; empty if they can't be read."""
    if key.map_index < 0:
        return frozenset()
    prefix = f"{key.task_id}_"
    try:
        states = instance_states(key.dag_id, key.run_id, [key.task_id], None)[key.run_id]
        begun = [
            int(name.removeprefix(prefix))
            for name, state in states.items()
            if name.startswith(prefix) and str(getattr(state, "value", state)) not in _NOT_BEGUN
        ]
        others = [index for index in begun if index != key.map_index]
        ids = context["ti"].xcom_pull(task_ids=key.task_id, key=REQUEST_ID_KEY, map_indexes=others)
    except Exception as error:
        log.warning("The requests of the other mapped instances can't be read: %s", type(error).__name__)
        return frozenset()
    return frozenset(each for each in ids or () if isinstance(each, str))
