"""Which ledger a task's submissions are remembered in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import text_or_none
from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.submission.ledger import Ledger


def choose(context: Mapping[str, Any], *, durable: bool, folder: str | None) -> Ledger:
    """Return the ledger: the folder that is named, here or in ``[kling] ledger``; else the task state store.

    :param durable: False remembers nothing beyond this process.
    :param folder: an object-storage URI.
    :raises InvalidArgument: if the ledger that is wanted can't be had, or no deployment is named.
    :raises InvalidArgument: if the folder's address is malformed.
    """
    from kling_airflow.hooks.ledger import configured_folder
    from kling_airflow.submission.ledger import MemoryLedger
    from kling_airflow.submission.task_state import TaskStateLedger

    if not durable:
        return MemoryLedger()
    folder = text_or_none(folder) or configured_folder()
    return TaskStateLedger(context) if folder is None else _in_folder(context, folder)


def _in_folder(context: Mapping[str, Any], folder: str) -> Ledger:
    from kling_airflow.hooks.ledger import configured_deployment, open_folder
    from kling_airflow.submission.object_store import ObjectStoreLedger
    from kling_airflow.submission.task_key import TaskKey

    place = open_folder(folder)
    deployment = configured_deployment()
    if deployment is None:
        raise InvalidArgument(
            f"The ledger {folder} is named, and `[kling] deployment` is not: two deployments would take each"
            " other's requests for their own.",
            todo="Set it to a name of this Airflow, such as `prod` (AIRFLOW__KLING__DEPLOYMENT).",
        )
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    scope = TaskKey(ti.dag_id, ti.run_id, ti.task_id, map_index)
    return ObjectStoreLedger(place, scope, deployment=deployment, by=f"try {ti.try_number}")
