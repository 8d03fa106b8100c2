"""The key of a running task instance, built in one place."""

from __future__ import annotations

from typing import Any

from kling_airflow.submission.task_key import TaskKey


def task_key(ti: Any) -> TaskKey:
    """Return the key of a task instance: the same in every try, another for every other task instance.

    :param ti: a task instance; its ids are read. Airflow says -1 or None for one that isn't mapped.
    """
    map_index = getattr(ti, "map_index", -1)
    return TaskKey(ti.dag_id, ti.run_id, ti.task_id, -1 if map_index is None else int(map_index))
