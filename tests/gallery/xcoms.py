"""Rows of Airflow's XCom table, as its Execution API writes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4


@contextmanager
def xcom(
    dag_id: str, run_id: str, task_id: str, key: str, value: Any, *, map_index: int = -1
) -> Iterator[None]:
    """A value that a task instance of a run has pushed."""
    from airflow.models import xcom as table
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType
    from sqlalchemy import insert

    with create_session() as session:
        run = DagRun(dag_id=dag_id, run_id=run_id, run_type=DagRunType.MANUAL)
        session.add(run)
        session.flush()
        names: dict[str, Any] = {
            "dag_id": dag_id,
            "run_id": run_id,
            "task_id": task_id,
            "map_index": map_index,
        }
        # With SQLAlchemy 1.4 the column is a text on SQLite, with 2 a UUID.
        is_text = TaskInstance.__table__.c.id.type.python_type is str
        own_id = str(uuid4()) if is_text else uuid4()
        instance = {"id": own_id, "pool": "default_pool", "pool_slots": 1, "try_number": 1, "max_tries": 0}
        columns = {column.name for column in TaskInstance.__table__.columns}
        given = {**names, **instance, **({"span_status": "ended"} if "span_status" in columns else {})}
        session.execute(insert(TaskInstance).values(**given))
        if hasattr(table, "XComModelV2"):  # from Airflow 3.4 on, by the instance's id
            row, owner = table.XComModelV2, {"task_instance_id": instance["id"]}
        else:
            row, owner = table.XComModel, {**names, "dag_run_id": run.id}
        session.execute(insert(row).values(**owner, key=key, value=value))
        number = run.id
    try:
        yield
    finally:
        with create_session() as session:
            session.query(row).filter_by(key=key).delete()
            session.query(TaskInstance).filter_by(dag_id=dag_id, run_id=run_id).delete()
            session.query(DagRun).filter_by(id=number).delete()
