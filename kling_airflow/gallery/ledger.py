"""What the ledger knows of a request: the ledger in an object store, or Airflow's task state store."""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from sqlalchemy.exc import SQLAlchemyError

from kling_airflow.errors import KlingError, UnreadableRecord
from kling_airflow.gallery.timeline import Ordered, steps_of_journal, steps_of_record
from kling_airflow.submission.journal import JournalEntry, numbers
from kling_airflow.submission.record import SubmissionRecord

log = logging.getLogger(__name__)

_ORDERS: Final = 300
"""Orders of one run that are looked through, at most."""


def find_order(dag_id: str, run_id: str, request_id: str) -> Ordered | None:
    """Return the order of a run that a request belongs to; None if no ledger that can be read has it.

    :raises KlingError: the ledger in an object store gives no answer.
    """
    if not dag_id or not run_id:
        return None
    return _in_object_store(dag_id, run_id, request_id) or _in_task_state(dag_id, run_id, request_id)


def _in_object_store(dag_id: str, run_id: str, request_id: str) -> Ordered | None:
    from kling_airflow.hooks.ledger import configured_deployment, configured_ledger, open_ledger_path
    from kling_airflow.submission.ledger_admin import LedgerAdmin, LedgerOrder
    from kling_airflow.submission.task_key import slug

    uri, deployment = configured_ledger(), configured_deployment()
    if not uri or not deployment:
        return None
    try:
        ledger = LedgerAdmin(open_ledger_path(uri), deployment)
    except KlingError as error:
        log.info("The ledger isn't there: %s", error.what)
        return None
    files: dict[str, list[int]] = {}
    for key in ledger.journal.store.keys(f"{deployment}/orders/{slug(dag_id)}/{slug(run_id)}"):
        folder, _, name = key.rpartition("/")
        files.setdefault(folder, []).extend(numbers([name]))
    orders = [LedgerOrder(folder, tuple(sorted(found))) for folder, found in sorted(files.items()) if found]
    for order, last in zip(orders[:_ORDERS], ledger.last(orders[:_ORDERS]), strict=True):
        if isinstance(last, UnreadableRecord) or not _names(last.record, request_id):
            continue
        if (last.task_key.dag_id, last.task_key.run_id) != (dag_id, run_id):
            continue  # two runs whose names look the same share a folder
        entries = [entry for entry in ledger.history(order) if isinstance(entry, JournalEntry)]
        return Ordered(last.task_key.task, last.record, steps_of_journal(entries, request_id))
    return None


def _in_task_state(dag_id: str, run_id: str, request_id: str) -> Ordered | None:
    """Look in Airflow's own store, which came with 3.3; a custom backend isn't looked into.

    The table is not public. Where Airflow has other columns, the page goes without these steps.
    """
    try:
        rows = _rows(dag_id, run_id, request_id)
    except (ImportError, AttributeError, SQLAlchemyError) as error:
        log.info("Airflow's task state store can't be read for the gallery: %s", error)
        return None
    for task_id, index, value in rows:
        record = _record(value)
        if record is not None and _names(record, request_id):
            task = task_id if index < 0 else f"{task_id}[{index}]"
            return Ordered(task, record, steps_of_record(record, request_id))
    return None


def _rows(dag_id: str, run_id: str, request_id: str) -> list[Any]:
    """Return task, map index (from 3.4 on, or a loop's iteration) and value of a run's records."""
    from airflow.models import task_state_store
    from airflow.utils.session import create_session
    from sqlalchemy import select

    row: Any = task_state_store.TaskStateStoreModel
    index = row.map_index if hasattr(row, "map_index") else row.region_index
    asked = (
        select(row.task_id, index, row.value)
        .where(row.dag_id == dag_id, row.run_id == run_id)
        .where(row.key.like("kling_airflow%.submission.%"))
        .where(row.value.contains(request_id, autoescape=True))
        .limit(_ORDERS)
    )
    with create_session(scoped=False) as session:
        return list(session.execute(asked).all())


def _record(value: Any) -> SubmissionRecord | None:
    try:
        while isinstance(value, str):
            value = json.loads(value)
        return SubmissionRecord.read(value)
    except (ValueError, UnreadableRecord):
        return None


def _names(record: SubmissionRecord, request_id: str) -> bool:
    return request_id == record.request_id or request_id in record.earlier
