"""The ledger in Airflow's task state store, which survives retries.

A user's clear keeps the store in Airflow 3.3. From 3.4 on a clear discards it, unless "keep task state" is
ticked. So the ledger also remembers that the task instance has begun: if that is gone, the store was
discarded, and a missing record says nothing about what was bought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kling_airflow.errors import InvalidArgument, UnreadableRecord
from kling_airflow.submission.record import SubmissionRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_airflow.submission.task_key import TaskKey

_ROOT: Final = "kling_airflow"
_COMPLETE: Final = "remembers all tries"
_DISCARDED: Final = "was discarded before this try"
_FOLDER: Final = (
    "Set a ledger folder once for every task, in the environment of the workers:\n"
    "    AIRFLOW__KLING__LEDGER=s3://BUCKET/kling-ledger\n"
    "    AIRFLOW__KLING__DEPLOYMENT=prod\n"
    "    # or in airflow.cfg:\n"
    "    [kling]\n"
    "    ledger = s3://BUCKET/kling-ledger\n"
    "    deployment = prod\n"
    "    # gs://, abfs:// and file:// work, too; `deployment` is a name of this Airflow.\n"
    "    # Then clear this task.\n    # "
)
_WITHOUT_IT: Final = (
    "Or set `durable=False` and accept that a crash between submission and answer may buy the clip twice."
)


class TaskStateLedger:
    """Keeps each order's record under its own key, without expiry (``NEVER_EXPIRE``).

    Airflow refuses a *write* of a try that has been replaced by a newer one. So the write before each POST
    is a fence: a stale worker sends nothing. A *read* of nothing proves nothing alone, because a stale try
    reads nothing either; the write that follows it completes the proof.

    :param context: the task's context.
    :param key: the task instance.
    :raises InvalidArgument: if this Airflow has no store that would still hold a record on the next try.
    """

    def __init__(self, context: Mapping[str, Any], key: TaskKey) -> None:
        from kling_airflow.airflow_compat import conf

        store = context.get("task_state_store")
        if store is None:
            raise InvalidArgument(
                "This Airflow has no task state store (it came with 3.3), and no ledger folder is set: a"
                " submission can't be remembered, and nothing was sent.",
                todo=f"{_FOLDER}{_WITHOUT_IT}",
            )
        if conf.getboolean("state_store", "clear_on_success", fallback=False):
            raise InvalidArgument(
                "`[state_store] clear_on_success` is on: a cleared task would forget its clip and buy again.",
                todo=f"Turn it off. {_WITHOUT_IT}",
            )
        self.key = key
        self.shares_siblings = False
        self._store = store
        # All iterations of a loop (Airflow 3.4), and all shots, share the store of one task instance.
        loop = "" if key.loop is None else f".loop.{key.loop}"
        shot = "" if key.shot is None else f".shot.{key.shot}"
        self._prefix = f"{_ROOT}{loop}{shot}"
        self._begun = f"{_ROOT}{loop}.begun"  # of all shots: the store is discarded as a whole

    def read(self, fingerprint: str, take: int) -> SubmissionRecord | None:
        """Return the record; None if there surely is no record."""
        return self._read(self._record_key(fingerprint, take))

    def write(self, record: SubmissionRecord) -> None:
        """Keep a record; raises if a newer try has replaced this one."""
        key = self._record_key(record.fingerprint, record.take)
        keys = self._keys()
        if key not in keys:
            self._set(self._index, [*keys, key])
        self._set(key, record.to_json())

    def records(self) -> list[SubmissionRecord]:
        """Return the records of all orders of this task instance."""
        return [record for key in self._keys() if (record := self._read(key)) is not None]

    def begin(self, *, complete: bool) -> bool:
        """Note that the task instance has begun; return whether the store remembers all its tries."""
        begun = self._store.get(self._begun)
        if begun is None:
            complete = complete or bool(self._keys())  # a store with records was not discarded
            self._set(self._begun, _COMPLETE if complete else _DISCARDED)
            return complete
        return bool(begun == _COMPLETE)

    def owner(self, fingerprint: str, take: int) -> str:
        """Return a text that names an order; no claim is ever made with it."""
        return f"{fingerprint}-{take}"

    def claim(self, request_id: str, owner: str) -> None:
        """Return None: other tasks can't see a task's store, so it holds no claims."""

    def siblings(self, fingerprint: str, take: int) -> list[tuple[TaskKey, SubmissionRecord]]:
        """Return nothing: a task can't see the stores of the other mapped instances."""
        return []

    def take_over(self, request_id: str, sibling: TaskKey, fingerprint: str, take: int) -> bool:
        """Return False: the store holds no claims."""
        return False

    @property
    def _index(self) -> str:
        return f"{self._prefix}.submissions"

    def _record_key(self, fingerprint: str, take: int) -> str:
        return f"{self._prefix}.submission.{fingerprint[:32]}.{take}"

    def _keys(self) -> list[str]:
        """Return the keys of all records: Airflow's store has no call that lists its keys."""
        keys = self._store.get(self._index)
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
