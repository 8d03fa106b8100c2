"""Which ledger a task's submissions are remembered in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

from kling_airflow.arguments import text_or_none
from kling_airflow.gmi.errors import InvalidPayload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.submission.ledger import Ledger


def choose(context: Mapping[str, Any], *, durable: bool, folder: str | None) -> Ledger:
    """Return the ledger: the folder that is named, here or in ``[kling] ledger``; else the task state store.

    :param durable: False remembers nothing beyond this process.
    :param folder: an object-storage URI.
    :raises InvalidPayload: if the ledger that is wanted can't be had.
    """
    from kling_airflow.submission.ledger import MemoryLedger
    from kling_airflow.submission.task_state import TaskStateLedger

    if not durable:
        return MemoryLedger()
    folder = text_or_none(folder) or text_or_none(conf.get("kling", "ledger", fallback=None))
    if folder is None:
        return TaskStateLedger(context)
    return _in_folder(context, folder)


def _in_folder(context: Mapping[str, Any], folder: str) -> Ledger:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from kling_airflow.submission.folder import FolderLedger
    from kling_airflow.submission.scope import Scope

    deployment = text_or_none(conf.get("kling", "deployment", fallback=None))
    if deployment is None:
        raise InvalidPayload(
            f"The ledger {folder} is named, and `[kling] deployment` is not: two deployments would take each"
            " other's requests for their own.",
            todo="Set it to a name of this Airflow, such as `prod` (AIRFLOW__KLING__DEPLOYMENT).",
        )
    ti = context["ti"]
    return FolderLedger(
        ObjectStoragePath(folder),
        Scope(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index),
        deployment=deployment,
        by=f"try {ti.try_number}",
    )
