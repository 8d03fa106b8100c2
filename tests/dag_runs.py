"""A DAG written to the DAGs folder, run by ``dag.test()``, and what its tasks ended as."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from tests.airflow_versions import AIRFLOW


class Run:
    """A finished run.

    :param states: by task id; mapped tasks as ``task[0]``.
    """

    def __init__(self, run: Any) -> None:
        self._instances = {
            ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": ti
            for ti in run.get_task_instances()
        }
        self.state = str(run.state)
        self.states = {name: str(ti.state) for name, ti in self._instances.items()}

    def result(self, name: str, key: str = "return_value") -> Any:
        """What a task returned, or pushed under another key."""
        from airflow.utils.session import create_session

        from tests.airflow_versions import XComModel

        ti = self._instances[name]
        if AIRFLOW.major == 2:
            return ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)
        with create_session() as session:
            rows: Any = XComModel.get_many(
                run_id=ti.run_id,
                key=key,
                dag_ids=ti.dag_id,
                task_ids=ti.task_id,
                map_indexes=ti.map_index,
            )
            if hasattr(rows, "with_entities"):  # before Airflow 3.1
                found = rows.with_session(session).with_entities(XComModel.value).scalar()
            else:
                found = session.scalars(rows).one().value  # Airflow 3.4 selects an alias of the model
        return XComModel.deserialize_value(type("Row", (), {"value": found})())


@contextmanager
def memory(folder: Path) -> Iterator[None]:
    """Set the ledger folder that a task needs before Airflow 3.3, which brought the task state store."""
    if Version("3.3") <= AIRFLOW or "AIRFLOW__KLING__LEDGER" in os.environ:
        yield
        return
    ledger = folder.parent / "ledger"
    ledger.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__KLING__LEDGER", ledger.as_uri())
        patch.setenv("AIRFLOW__KLING__DEPLOYMENT", "tests")
        yield


def stored(bag: Any, dag_id: str) -> Any:
    """Return a DAG of a file, its assets known where ``dag.test()`` does not see to that.

    Airflow 3.0 refuses a task whose outlets the DAG processor has not stored; the later ones store them.
    """
    if AIRFLOW.release[:2] == (3, 0):
        from airflow.models.dagbundle import DagBundleModel
        from airflow.utils.session import create_session

        with create_session() as session:
            session.merge(DagBundleModel(name="tests"))
        bag.sync_to_db("tests", None)
    return bag.dags[dag_id]


def run_dag(folder: Path, dag_id: str, source: str, **options: Any) -> Run:
    """Write a DAG file, load it without import errors, and run it in this process.

    :param folder: the fixture ``dags_folder``.
    :param source: the file's text; it defines ``dag_id``.
    """
    from tests.airflow_versions import DagBag

    path = folder / f"{dag_id}.py"
    path.write_text(source)
    try:
        bag = DagBag(path)
        assert not bag.import_errors, bag.import_errors
        with memory(folder):
            return Run(stored(bag, dag_id).test(**options))
    finally:
        path.unlink()
