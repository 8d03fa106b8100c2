"""What tasks of a run have left in XComs about requests: which they are, and by which connection."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from kling_airflow.errors import InvalidArgument
from kling_airflow.gallery.entry import is_request_id
from kling_airflow.handed_on import REQUEST_KEY, HandedOn

log = logging.getLogger(__name__)

_REQUEST_ID_KEY: Final = "request_id"
_MOST: Final = 300
"""XComs of one run that are looked through, at most."""


def submitted(
    dag_id: str, run_id: str, *, request_id: str = "", task_id: str = "", map_index: int | None = None
) -> list[HandedOn]:
    """Return the requests that tasks of a run name in their XComs, each once.

    The table is not public. Where Airflow has other columns, nothing is found.

    :param request_id: only this one; "" for all.
    :param task_id: only those that this task has submitted or waits for; "" for all tasks.
    :param map_index: only of this instance of the task; None for all.
    """
    if not dag_id or not run_id:
        return []
    try:
        rows = _rows(dag_id, run_id, request_id, task_id, map_index)
    except (ImportError, AttributeError, SQLAlchemyError) as error:
        log.info("XComs can't be read for the gallery: %s", error)
        return []
    found: dict[str, HandedOn] = {}
    for value in rows:
        handed = _handed_on(value)
        if handed is None or request_id not in ("", handed.request_id):
            continue
        if handed.request_id not in found or handed.gmi_conn_id:
            found[handed.request_id] = handed
    return list(found.values())


def _rows(dag_id: str, run_id: str, request_id: str, task_id: str, map_index: int | None) -> list[Any]:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import Text, cast, select

    row: Any = XComModel
    asked = (
        select(row.value)
        .where(row.dag_id == dag_id, row.run_id == run_id, row.key.in_((REQUEST_KEY, _REQUEST_ID_KEY)))
        .order_by(row.task_id, row.map_index, row.key)
        .limit(_MOST)
    )
    if request_id:
        asked = asked.where(cast(row.value, Text).contains(request_id, autoescape=True))
    if task_id:
        asked = asked.where(row.task_id == task_id)
    if map_index is not None:
        asked = asked.where(row.map_index == map_index)
    with create_session(scoped=False) as session:
        return list(session.execute(asked).scalars().all())


def _handed_on(value: Any) -> HandedOn | None:
    """Return what an XCom says; None for one of another meaning under the same name."""
    try:
        if isinstance(value, str) and value[:1] in ('"', "{"):
            value = json.loads(value)
        if not isinstance(value, str | Mapping):
            return None
        handed = HandedOn.read(value)
    except (ValueError, InvalidArgument):
        return None
    return handed if is_request_id(handed.request_id) else None
