"""Takes that an earlier try has bought, and that the storyboard doesn't have any more: they land."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from kling_airflow.errors import KlingError, NotFound
from kling_airflow.gmi.request import Status
from kling_airflow.task.shot_progress import Phase, ShotProgress

if TYPE_CHECKING:
    from kling_airflow.submission.record import SubmissionRecord
    from kling_airflow.task.shot_orders import ShotOrders
    from kling_airflow.task.shot_progress import BoardProgress


def add_removed(progress: BoardProgress, report: bytes | None, orders: ShotOrders) -> None:
    """Add, to what a try waits for, the requests of takes that only an earlier try's storyboard had.

    The report that each try stores before it buys anything names the takes; the ledger has their requests.
    What has failed is not billed, and is left out.

    :param report: the report of the try before; None if there is none.
    :raises KlingError: if the ledger can't be read.
    """
    known = {each.key for each in progress.takes.values()}
    for name, shot, take in _takes_in(report):
        removed = ShotProgress(name, shot, take, removed=True)
        if removed.key in known or name in progress.takes:
            continue
        records = [record for record in orders.bought(removed) if _is_alive(record, orders)]
        if not records:
            continue
        newest = max(records, key=lambda record: record.sent_at or 0.0)
        removed.phase, removed.request_id, removed.model = Phase.WAITING, newest.request_id, newest.model
        removed.deadline = round(time.time() + orders.options.timeout)
        progress.takes[name] = removed
        orders.log.warning(
            "Shot %s is not in the storyboard any more. An earlier try has bought it, and request %s lands.",
            name,
            newest.request_id,
        )


def _takes_in(report: bytes | None) -> Iterator[tuple[str, str, int]]:
    """Yield name, shot and number of each take of a report; nothing for what is no report."""
    try:
        content = json.loads(report or b"{}")
    except ValueError:
        return
    for part in ("shots", "removed"):
        rows: Any = content.get(part) if isinstance(content, dict) else None
        for row in rows if isinstance(rows, list) else ():
            match row:
                case {"name": str(name), "shot": str(shot), "take": int(take)}:
                    yield name, shot, take


def _is_alive(record: SubmissionRecord, orders: ShotOrders) -> bool:
    """Whether a record's request may have a clip; if the queue can't be asked now, the wait asks again."""
    if record.request_id is None:
        return False
    try:
        request = orders.hook.get_conn().get(record.request_id)
    except NotFound:
        return False
    except KlingError:
        return True
    return request.status not in {Status.FAILED, Status.CANCELLED}
