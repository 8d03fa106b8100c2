"""Where a request stands in the queue now, asked by the API server while the request waits.

No other process knows it: the ledger says that a request was submitted, and a triggerer keeps what it has
polled in its own memory, because a write for each poll of each request would cost more than it tells. So the
API server asks the queue by id, with the key of the Airflow connection that submitted the request. The key
stays in this process. However many people look, each request is asked for at most once in
:data:`MAX_AGE` seconds, and all requests of a connection together at most once a second.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillAsking
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from kling_airflow.errors import KlingError

if TYPE_CHECKING:
    from kling_airflow.gmi.request import Request

log = logging.getLogger(__name__)

MAX_AGE: Final = 5.0
"""Seconds for which an answer is shown again."""
GAP: Final = 1.0
"""Seconds between two calls of one connection."""
PATIENCE: Final = 4.0
"""Seconds that a page waits for the queue's answer."""
_MOST: Final = 500
_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class QueueState:
    """What the queue said of a request, or why it was not asked.

    :param status: as the queue spells it; "" if the queue gave no answer.
    :param seen_at: when the API server was told, Unix seconds.
    :param submitted_at: by the queue's clock, Unix seconds; None if the queue does not say.
    :param changed_at: when the queue last changed its record of the request; None if it does not say.
    :param has_ended: whether the request has ended.
    :param problem: why there is no answer; "" if there is one.
    """

    status: str = ""
    seen_at: float = 0.0
    submitted_at: float | None = None
    changed_at: float | None = None
    has_ended: bool = False
    problem: str = ""

    @classmethod
    def of(cls, request: Request, seen_at: float) -> QueueState:
        """Return what a record of the queue says."""
        changed = request.updated_at or request.queued_at or request.created_at
        return cls(
            status=(request.status_text or str(request.status))[:60],
            seen_at=seen_at,
            submitted_at=request.created_at,
            changed_at=changed,
            has_ended=request.status.terminal,
        )

    @property
    def since(self) -> str:
        """Since when the request is in this state, as far as the queue says: ISO 8601, UTC."""
        return _iso(self.changed_at)

    @property
    def submitted(self) -> str:
        """When the queue took the request: ISO 8601, UTC."""
        return _iso(self.submitted_at)

    @property
    def seen(self) -> str:
        """When the queue was asked: ISO 8601, UTC."""
        return _iso(self.seen_at)


Look = Callable[[str, str], QueueState]


class QueueStates:
    """Asks the queue for requests that people look at, and no more often than it may.

    :param look: asks the queue for a request: connection id, request id.
    :param now: the clock, monotonic seconds.
    :param patience: seconds that a caller waits for an answer.
    """

    def __init__(
        self, look: Look, *, now: Callable[[], float] = time.monotonic, patience: float = PATIENCE
    ) -> None:
        self._look, self._now, self._patience = look, now, patience
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="kling-queue-state")
        self._asked: dict[tuple[str, str], tuple[float, Future[QueueState]]] = {}
        self._last: dict[str, float] = {}

    def of(self, gmi_conn_id: str, request_id: str) -> QueueState:
        """Return where a request stands, as the queue has said it a few seconds ago at most, if it has."""
        with self._lock:
            answer = self._answer((gmi_conn_id, request_id))
        if answer is None:
            return QueueState(
                problem="It was asked for other requests a moment ago. Look again in a few seconds."
            )
        try:
            return answer.result(self._patience)
        except StillAsking:
            return QueueState(
                problem=f"It gave no answer within {self._patience:g} s. Look again in a few seconds."
            )

    def _answer(self, key: tuple[str, str]) -> Future[QueueState] | None:
        now = self._now()
        asked_at, answer = self._asked.get(key, (float("-inf"), None))
        if answer is not None and (not answer.done() or now - asked_at <= MAX_AGE):
            return answer
        waiting = sum(not other.done() for _, other in self._asked.values())
        if now - self._last.get(key[0], float("-inf")) < GAP or waiting >= _AT_ONCE:
            return answer  # an older answer says when it was given
        self._last[key[0]] = now
        self._asked.pop(key, None)
        self._asked[key] = now, (made := self._threads.submit(self._look, *key))
        for old in list(self._asked)[: max(0, len(self._asked) - _MOST)]:
            del self._asked[old]
        return made


def look(gmi_conn_id: str, request_id: str) -> QueueState:
    """Ask the queue for a request, once; never raises."""
    from kling_airflow.gmi.call import Timeouts
    from kling_airflow.gmi.retries import Retries
    from kling_airflow.hooks.gmi import GMICloudHook

    try:
        client = GMICloudHook(gmi_conn_id).get_conn()
        if GMICloudHook.get_connection(gmi_conn_id).conn_type != GMICloudHook.conn_type:
            # Its key is another service's, and is sent nowhere.
            what = f"The connection `{gmi_conn_id}` is not of the type `{GMICloudHook.conn_type}`."
            return QueueState(problem=what)
        client.retries = Retries(attempts=1)
        with client:
            return QueueState.of(client.get(request_id, timeouts=Timeouts(5.0, 10.0, 10.0)), time.time())
    except KlingError as error:
        return QueueState(problem=error.what)
    except Exception as error:
        # Whatever a secrets backend raises: its text is for the log, not for everybody who may read the DAG.
        log.warning("The gallery can't read the connection %s: %s", gmi_conn_id, error)
        return QueueState(
            problem=f"The API server can't read the connection `{gmi_conn_id}` ({type(error).__name__})."
        )


states: Final = QueueStates(look)
"""Those of this process."""


def _iso(seconds: float | None) -> str:
    return "" if not seconds else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
