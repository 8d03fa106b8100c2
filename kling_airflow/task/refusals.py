"""Since when the queue refuses the key of a wait that runs on a worker."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.errors import KlingError

if TYPE_CHECKING:
    from kling_airflow.hooks.gmi import GMICloudHook

KEY: Final = "kling.refused"
"""The key of the task state store."""


class Refusals:
    """Remembers since when the queue refuses the connection's present key.

    :param store: Airflow's task state store, where each poll is a process of its own (``mode="reschedule"``);
        None to remember within this process. Without a store, which Airflow has from 3.3 on, a sensor in that
        mode waits out refusals until its timeout.
    :param try_number: which try of the task this is; what an earlier try has met doesn't count.
    """

    def __init__(self, store: Any = None, *, try_number: int = 0) -> None:
        self.since: float | None = None
        """Since when the present key is refused, in Unix seconds; None while it is not."""
        self._connection = ""
        self._try_number = try_number
        self._store = store
        self._stored = False

    def record(self, hook: GMICloudHook, *, refused: bool) -> None:
        """Record whether the queue has refused the key of a connection in the latest poll."""
        self._recall()
        connection = f"{self._try_number} {_digest(hook)}"
        if not refused:
            self.since = None
        elif self.since is None or connection != self._connection:
            self.since = time.time()
        self._connection = connection
        self._keep()

    def _recall(self) -> None:
        if self._store is None or self._stored or self.since is not None:
            return
        value = None
        with suppress(Exception):  # a store that can't be read now ends no wait
            value = self._store.get(KEY)
        if isinstance(value, dict) and isinstance(value.get("since"), int | float):
            self.since, self._connection, self._stored = value["since"], str(value.get("connection")), True

    def _keep(self) -> None:
        if self._store is None:
            return
        with suppress(Exception):
            if self.since is not None:
                self._store.set(KEY, {"since": self.since, "connection": self._connection})
                self._stored = True
            elif self._stored:
                self._store.delete(KEY)
                self._stored = False


def _digest(hook: GMICloudHook) -> str:
    """Return what tells one key, address and organization from another, and from which no key can be read."""
    try:
        identity = hook.get_conn().protocol.identity
    except KlingError:
        return ""
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:16]
