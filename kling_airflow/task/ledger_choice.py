"""Which ledger a task's submissions are remembered in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import text_or_none
from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.submission.ledger import Ledger
    from kling_airflow.submission.task_key import TaskKey


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
    key = _task_key(context["ti"])
    return TaskStateLedger(context, key) if folder is None else _in_folder(context, key, folder)


def _task_key(ti: Any) -> TaskKey:
    from kling_airflow.submission.task_key import TaskKey

    return TaskKey(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)


def _in_folder(context: Mapping[str, Any], key: TaskKey, folder: str) -> Ledger:
    from kling_airflow.hooks.ledger import configured_deployment, open_folder
    from kling_airflow.submission.object_store import ObjectStoreLedger

    place = open_folder(folder)
    deployment = configured_deployment()
    if deployment is None:
        raise InvalidArgument(
            f"The ledger {folder} is named, and `[kling] deployment` is not: two deployments would take each"
            " other's requests for their own.",
            todo="Set it to a name of this Airflow, such as `prod` (AIRFLOW__KLING__DEPLOYMENT).",
        )
    return ObjectStoreLedger(place, key, deployment=deployment, by=f"try {context['ti'].try_number}")
