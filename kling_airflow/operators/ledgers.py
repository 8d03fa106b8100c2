"""Which ledger a task's submissions are remembered in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import conf

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
    folder = folder or conf.get("kling", "ledger", fallback=None) or None
    if folder is None:
        return TaskStateLedger(context)
    return _in_folder(context, folder)


def _in_folder(context: Mapping[str, Any], folder: str) -> Ledger:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    from kling_airflow.submission.folder import FolderLedger

    ti = context["ti"]
    scope = (ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index))
    return FolderLedger(
        ObjectStoragePath(folder), scope, deployment=conf.get("kling", "deployment", fallback=None)
    )
