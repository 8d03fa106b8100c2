"""Refuses, when it runs, a destination whose templates are the same for all instances of a mapped task.

Each of them would overwrite the file of the one before: three paid clips would become one file.
"""

from __future__ import annotations

import re
from typing import Any

from kling_airflow.addresses import shown
from kling_airflow.airflow_compat import dag_of
from kling_airflow.errors import InvalidArgument

# Airflow's template variables that are the same for every instance of a mapped task (Airflow 2.11 to 3.4).
_SAME_FOR_ALL = frozenset(
    {
        "conn",
        "conf",
        "dag",
        "dag_run",
        "data_interval_end",
        "data_interval_start",
        "ds",
        "ds_nodash",
        "execution_date",
        "inlets",
        "logical_date",
        "next_ds",
        "outlets",
        "params",
        "prev_data_interval_end_success",
        "prev_data_interval_start_success",
        "prev_ds",
        "prev_end_date_success",
        "prev_start_date_success",
        "run_id",
        "ts",
        "ts_nodash",
        "ts_nodash_with_tz",
        "var",
    }
)
_EXPRESSION = r"(?s)\{\{(.*?)\}\}"
_NAME = r"(?<![\w.])[A-Za-z_]\w*"
_TEXT = r"'[^']*'|\"[^\"]*\""


def refuse_one_for_all(operator: Any, argument: str = "destination") -> None:
    """Refuse, when an instance of a mapped task runs, templates that are the same for all instances.

    :param operator: the instance's operator.
    :param argument: the name of the one that is the destination.
    :raises InvalidArgument: the destination is written once in ``partial``, and is the same for all.
    """
    dag = dag_of(operator)
    task = dag.task_dict.get(operator.task_id) if dag is not None else None
    if getattr(operator, "_BaseOperator__from_mapped", False):
        value = getattr(task, "partial_kwargs", {}).get(argument)
    elif any(True for _ in getattr(operator, "iter_mapped_task_groups", tuple)()):
        value = getattr(task, argument, None)  # as it was written: the running task is a copy
    else:
        return
    if value is None or hasattr(value, "iter_references"):
        return
    text = str(value)
    if "map_index" in text or "{%" in text:
        return
    expressions = [re.sub(_TEXT, "", found) for found in re.findall(_EXPRESSION, text)]
    names = {name for expression in expressions for name in re.findall(_NAME, expression)}
    if not names <= _SAME_FOR_ALL:
        return
    raise _one_for_all(argument, text)


def _one_for_all(argument: str, text: str) -> InvalidArgument:
    return InvalidArgument(
        f"`{argument}` is {shown(text)!r} for every instance of a mapped task: each would overwrite the file"
        " of the one before.",
        todo="Add `{{ ti.map_index }}` to it, or map over it as well.",
    )
