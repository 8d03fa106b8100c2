"""Deferred task instances by the thousand: copies of one that a worker has deferred, with other requests.

A worker would take hours to defer ten thousand tasks on two cores. What the triggerers read is the same: a
row of ``trigger`` and one of ``task_instance`` for each wait. Runs in a process with the cluster's settings.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from uuid import uuid4

BATCH = 1_000


def copy_deferral(dag_id: str, ids: list[str]) -> None:
    """Write a deferred task instance for each further request, beside the one that the DAG's run has.

    :param dag_id: the DAG whose only task instance is deferred.
    :param ids: the requests to wait for.
    """
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session
    from sqlalchemy import insert, select

    columns = TaskInstance.__table__.columns
    with create_session() as session:
        row = session.execute(select(*columns).where(TaskInstance.dag_id == dag_id)).mappings().one()
        first = session.get_one(Trigger, row["trigger_id"])
        classpath, kwargs = first.classpath, first.kwargs
    for at in range(0, len(ids), BATCH):
        part = ids[at : at + BATCH]
        with create_session() as session:
            triggers = [Trigger(classpath, kwargs | {"request_id": request_id}) for request_id in part]
            session.add_all(triggers)
            session.flush()
            rows: list[dict[str, Any]] = [
                dict(row) | {"id": uuid4(), "map_index": at + number, "trigger_id": trigger.id}
                for number, trigger in enumerate(triggers, 1)
            ]
            session.execute(insert(TaskInstance.__table__), rows)


if __name__ == "__main__":
    copy_deferral(sys.argv[1], json.load(sys.stdin))
