"""The submission ledger of a task: which one is configured, and how it is opened (section ``[kling]``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.arguments import text_or_none
from kling_airflow.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.airflow_compat import ObjectStoragePath
    from kling_airflow.submission.ledger import Ledger
    from kling_airflow.submission.task_key import TaskKey


def ledger_of(context: Mapping[str, Any], key: TaskKey, *, durable: bool, ledger: str | None) -> Ledger:
    """Return the ledger of a running task.

    It is the object-storage ledger if an address is given, or if ``[kling] ledger`` names one; else the
    ledger in Airflow's task state store.

    :param context: the task's context.
    :param key: the task instance whose submissions it keeps.
    :param durable: False returns a ledger that forgets everything when the process ends.
    :param ledger: the operator's argument: an object-storage URI; None, "" or "None" if none is given.
    :raises InvalidArgument: if Airflow has no task state store, if the address is malformed, or if
        ``[kling] deployment`` is not set.
    """
    from kling_airflow.submission.ledger import MemoryLedger
    from kling_airflow.submission.task_state import TaskStateLedger

    if not durable:
        return MemoryLedger()
    uri = text_or_none(ledger) or configured_ledger()
    return TaskStateLedger(context, key) if uri is None else _object_store_ledger(context, key, uri)


def configured_ledger() -> str | None:
    """Return ``[kling] ledger``; None if it isn't set."""
    from kling_airflow.airflow_compat import conf

    return conf.get("kling", "ledger", fallback=None) or None


def configured_deployment() -> str | None:
    """Return ``[kling] deployment``; None if it isn't set."""
    from kling_airflow.airflow_compat import conf

    return conf.get("kling", "deployment", fallback=None) or None


def configured_late_arrival_margin() -> float:
    """Return ``[kling] late_arrival_margin``, seconds.

    :raises InvalidArgument: if it is negative.
    """
    from kling_airflow.airflow_compat import conf
    from kling_airflow.submission.reconcile import LATE_ARRIVAL_MARGIN

    margin: float = conf.getfloat("kling", "late_arrival_margin", fallback=LATE_ARRIVAL_MARGIN)
    if not 0 <= margin < float("inf"):
        raise InvalidArgument(f"`[kling] late_arrival_margin` is {margin:g}; it must be 0 s or more.")
    return margin


def open_ledger_path(uri: str) -> ObjectStoragePath:
    """Return the path of an object-storage ledger.

    :param uri: ``s3://bucket/folder``, or ``s3://conn_id@bucket/folder`` with a connection other than the
        store's default.
    :raises InvalidArgument: if the address is malformed, or nothing is installed for its scheme.
    """
    from kling_airflow.hooks.store_path import open_path

    folder = uri.strip().rstrip("/") if isinstance(uri, str) else ""
    scheme, separator, rest = folder.partition("://")
    host = rest.partition("/")[0]
    if ":" in host.rpartition("@")[0]:
        raise InvalidArgument("ledger has a password in its address; use a connection instead.")
    if not scheme or not separator or not (host.rpartition("@")[2] or (scheme in {"file", "local"} and rest)):
        raise InvalidArgument(
            f"ledger is {uri!r}; it must be the address of a folder, such as s3://bucket/ledger."
        )
    return open_path(folder, None, "ledger")


def _object_store_ledger(context: Mapping[str, Any], key: TaskKey, uri: str) -> Ledger:
    from kling_airflow.submission.object_store import ObjectStoreLedger

    path = open_ledger_path(uri)
    deployment = configured_deployment()
    if deployment is None:
        raise InvalidArgument(
            f"The ledger {uri} is named, and `[kling] deployment` is not: two deployments would take each"
            " other's requests for their own.",
            todo="Set it to a name of this Airflow, such as `prod` (AIRFLOW__KLING__DEPLOYMENT).",
        )
    return ObjectStoreLedger(path, key, deployment=deployment, by=f"try {context['ti'].try_number}")
