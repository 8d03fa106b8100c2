"""What every operator and sensor of this package is, whatever it does."""

from __future__ import annotations

from kling_airflow.task.mapping import CheckedWhenMapped
from kling_airflow.task.rendering import DataIsNoTemplate


class KlingTask(DataIsNoTemplate, CheckedWhenMapped):
    """A task whose data is never rendered, and whose mapping is checked when the DAG is parsed."""
