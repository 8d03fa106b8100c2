"""Refuses, when a DAG is parsed, one destination for all instances of a mapped task.

Each of them would overwrite the file of the one before: three paid clips would become one file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kling_airflow.addresses import shown
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
_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_TEXT = re.compile(r"'[^']*'|\"[^\"]*\"")


def refuse_one_destination_for_all(partial: Mapping[str, Any], argument: str = "destination") -> None:
    """Refuse a ``partial(destination=...)`` that names one file, whatever the map index.

    :param partial: the arguments of ``partial``.
    :param argument: the name of the one that is the destination.
    :raises InvalidArgument: it has no template, or only templates that are the same for all.
    """
    value = partial.get(argument)
    if value is None or hasattr(value, "iter_references"):
        return
    text = str(value)
    if "map_index" in text or "{%" in text:
        return
    names = {name for found in _EXPRESSION.findall(text) for name in _NAME.findall(_TEXT.sub("", found))}
    if not names <= _SAME_FOR_ALL:
        return
    raise InvalidArgument(
        f"`{argument}` is {shown(text)!r} for every instance of a mapped task: each would overwrite the file"
        " of the one before.",
        todo="Add `{{ ti.map_index }}` to it, or map over it as well.",
    )
