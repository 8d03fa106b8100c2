"""The key of a running task instance, built in one place for ledgers, logs and the state guard."""

from __future__ import annotations

from typing import Any

from kling_airflow.submission.task_key import TaskKey


def task_key(ti: Any, loop: Any = None, shot: str | None = None) -> TaskKey:
    """Return the key of a task instance: the same in every try, another for every other task instance.

    :param ti: a task instance; its ids are read. Airflow says -1 or None for one that isn't mapped.
    :param loop: the context's ``loop`` (Airflow 3.4 and later); None outside loops. Only its ``index`` tells
        iterations apart for good: ``map_index`` is -1 in each of them, and a clear of the loop's gate gives
        the iterations after it another ``region_id``. Airflow 3.4 has no nested loops.
    :param shot: name and take of a shot; None in a task that buys one clip.
    """
    map_index = getattr(ti, "map_index", -1)
    iteration = getattr(loop, "index", None)
    return TaskKey(
        ti.dag_id,
        ti.run_id,
        ti.task_id,
        -1 if map_index is None else int(map_index),
        None if iteration is None else str(iteration),
        shot,
    )
