"""What every operator and sensor of this package is, whatever it does."""

from __future__ import annotations

import os
from configparser import ConfigParser

from kling_airflow.task.mapping import CheckedWhenMapped
from kling_airflow.task.rendering import DataIsNoTemplate


class KlingTask(DataIsNoTemplate, CheckedWhenMapped):
    """A task whose data is never rendered, and whose mapping is checked when the DAG is parsed."""


def waits_in_triggerer(deferrable: bool | None) -> bool:
    """Return whether a task waits in the triggerer.

    Airflow's own default of ``[operators] default_deferrable`` is False (3.3.2), so only a value that is set
    counts. A task of this package waits in the triggerer if there is none.

    :param deferrable: the operator's argument; None for ``[operators] default_deferrable``.
    """
    if deferrable is not None:
        return deferrable
    from kling_airflow.airflow_compat import conf

    section, option = "operators", "default_deferrable"
    is_set = f"AIRFLOW__{section}__{option}".upper() in os.environ or ConfigParser.has_option(
        conf, section, option
    )
    return conf.getboolean(section, option) if is_set else True
