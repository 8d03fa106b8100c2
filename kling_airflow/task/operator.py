"""What every operator and sensor of this package is, whatever it does."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import switch_or_none
from kling_airflow.links import PushedLink
from kling_airflow.task.mapping import CheckedWhenMapped

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import PlainXComArg


class KlingTask(CheckedWhenMapped):
    """A task whose data is never rendered, and whose mapping is checked when the DAG is parsed."""

    lineage_result: Any = None
    """What the task has bought or stored, for the facets of OpenLineage."""

    if TYPE_CHECKING:
        # Airflow's annotation has no `output["uri"]`, which it documents and runs.
        @property
        def output(self) -> PlainXComArg: ...  # noqa: D102

    def as_outputs(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return a result as Airflow takes it: under ``multiple_outputs`` each part becomes an XCom."""
        from kling_airflow.airflow_compat import as_outputs

        return as_outputs(result) if self.multiple_outputs else result

    def pre_execute(self, context: Any) -> None:
        """Take the links that the task pushes itself away from Airflow's own push of links.

        When a task ends or defers, Airflow 3 asks each link of the task for its address, and stores an empty
        XCom where there is none (``task_runner.finalize``, 3.3.2). The UI knows the links from the DAG.
        """
        super().pre_execute(context)
        links: Any = self.operator_extra_links
        with suppress(AttributeError):  # a subclass may have made a property of it
            self.operator_extra_links = tuple(link for link in links if not isinstance(link, PushedLink))


def waits_in_triggerer(deferrable: bool | str | None) -> bool:
    """Return whether a task waits in the triggerer.

    Airflow's own default of ``[operators] default_deferrable`` is False, and Airflow 3.3.2 writes it into the
    ``airflow.cfg`` that it makes. So only the environment variable ``AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE``
    counts as a wish. A task of this package waits in the triggerer if there is none.

    :param deferrable: the operator's argument; None for what the environment says.
    """
    deferrable = switch_or_none("deferrable", deferrable)
    if deferrable is not None:
        return deferrable
    if "AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE" not in os.environ:
        return True
    from kling_airflow.airflow_compat import conf

    return bool(conf.getboolean("operators", "default_deferrable"))
