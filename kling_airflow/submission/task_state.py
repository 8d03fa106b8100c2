"""The ledger over Airflow's task state store, which survives retries and a user's clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.errors import InvalidArgument, UnreadableRecord
from kling_airflow.submission.record import SubmissionRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

_INDEX = "kling_airflow.submissions"
_FOLDER = (
    "Set a ledger folder once for every task, in the environment of the workers:\n"
    "    AIRFLOW__KLING__LEDGER=s3://BUCKET/kling-ledger\n"
    "    AIRFLOW__KLING__DEPLOYMENT=prod\n"
    "or in airflow.cfg:\n"
    "    [kling]\n"
    "    ledger = s3://BUCKET/kling-ledger\n"
    "    deployment = prod\n"
    "gs://, abfs:// and file:// work, too; `deployment` is a name of this Airflow. Then clear this task."
)
_WAY_OUT = (
    "Or set `durable=False` and accept that a crash between submission and answer may buy the clip twice."
)


class TaskStateLedger:
    """Keeps each order's record under a key of its own, for ever (``NEVER_EXPIRE``).

    Airflow refuses a *write* of a try that has been replaced, so writing before each POST is a fence: a
    stale worker sends nothing. A *read* of nothing proves nothing alone, which is why the write follows it.

    :param context: the task's context.
    :raises InvalidArgument: if this Airflow has no store that would still hold a record on the next try.
    """

    def __init__(self, context: Mapping[str, Any]) -> None:
        from kling_airflow.airflow_compat import conf

        store = context.get("task_state_store")
        if store is None:
            raise InvalidArgument(
                "This Airflow has no task state store (it came with 3.3), and no ledger folder is set: a"
                " submission can't be remembered, and nothing was sent.",
                todo=f"{_FOLDER} {_WAY_OUT}",
            )
        if conf.getboolean("state_store", "clear_on_success", fallback=False):
            raise InvalidArgument(
                "`[state_store] clear_on_success` is on: a cleared task would forget its clip and buy again.",
                todo=f"Turn it off. {_WAY_OUT}",
            )
        self._store = store

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record, or None where there surely is none."""
        return self._read(_key(fingerprint, take))

    def write(self, record: SubmissionRecord) -> None:
        """Keep a record; raises if this try has been replaced by another."""
        key = _key(record.fingerprint, record.take)
        keys = self._keys()
        if key not in keys:
            self._set(_INDEX, [*keys, key])
        self._set(key, record.to_json())

    def records(self) -> list[SubmissionRecord]:
        """Return the records of all orders of this task instance."""
        return [record for key in self._keys() if (record := self._read(key)) is not None]

    def owner(self, fingerprint: str, take: int) -> str:
        """Return a text that names an order; nobody claims anything with it."""
        return f"{fingerprint}-{take}"

    def claim(self, request_id: str, owner: str) -> None:
        """Return None: a task's store can't be seen by other tasks, so nothing can be claimed in it."""

    def _keys(self) -> list[str]:
        """Return the keys of all records: the store can't be asked for them."""
        keys = self._store.get(_INDEX)
        return [str(key) for key in keys] if isinstance(keys, list) else []

    def _read(self, key: str) -> SubmissionRecord | None:
        data = self._store.get(key)
        if data is None:
            return None
        try:
            return SubmissionRecord.read(data)
        except UnreadableRecord as error:
            raise UnreadableRecord(f"`{key}` in the task state store is unreadable: {error.what}") from error

    def _set(self, key: str, value: Any) -> None:
        from kling_airflow.airflow_compat import NEVER_EXPIRE

        self._store.set(key, value, retention=NEVER_EXPIRE)


def _key(fingerprint: str, take: int) -> str:
    return f"kling_airflow.submission.{fingerprint[:32]}.{take}"
