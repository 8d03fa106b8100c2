"""How a trigger gets its poller: its connection is read, and read again after a failure that may pass."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from kling_airflow.errors import KlingError, Unauthorized, Unreachable

if TYPE_CHECKING:
    from kling_airflow.polling.decision import Wait
    from kling_airflow.polling.poller import Poller

MISSING_READS: Final = 3
"""Reads that must find no connection before the wait ends. The task that started the wait has read it, and
Airflow 3.3.2 says "not defined" if a secrets backend fails, too."""

MISSING_SECONDS: Final = 300.0
"""Seconds for which the connection must be missing before the wait ends."""

REUSE_SECONDS: Final = 20.0
"""Seconds for which triggers share one read of a connection: a thousand triggers that start together make one
call to a secrets backend."""

_imported = False
_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[Poller, float]]] = WeakKeyDictionary()


async def connect(gmi_conn_id: str, wait: Wait, interval: float, log: Any) -> Poller | KlingError:
    """Return the connection's poller, or the error that ends the wait.

    :param interval: seconds until the connection is read again after a failure.
    """
    await _import_in_thread()
    began, missing_reads = time.time(), 0
    while True:
        seen: KlingError
        try:
            return await _poller(gmi_conn_id)
        except Unauthorized as error:
            missing_reads += 1
            if missing_reads >= MISSING_READS and time.time() - began >= MISSING_SECONDS:
                return error.about(wait.request_id)
            seen = Unreachable(error.what)
        except KlingError as error:
            return error.about(wait.request_id)
        except Exception as error:
            # The text of the error is left out: what a secrets backend says may contain secrets.
            seen = Unreachable(f"The connection `{gmi_conn_id}` can't be read now ({type(error).__name__}).")
        now = time.time()
        if isinstance(end := wait.decide(seen, now=now, last_response_at=began), KlingError):
            return end
        log.warning("%s The trigger reads the connection again.", seen.what)
        await asyncio.sleep(wait.next_look(now, interval))


async def _poller(gmi_conn_id: str) -> Poller:
    from kling_airflow.hooks.gmi import GMICloudHook

    loop = asyncio.get_running_loop()
    pollers = _pollers.setdefault(loop, {})
    poller, read_at = pollers.get(gmi_conn_id, (None, 0.0))
    if poller is None or poller.closed or loop.time() - read_at > REUSE_SECONDS:
        poller = await GMICloudHook(gmi_conn_id).get_poller()
        pollers[gmi_conn_id] = poller, loop.time()
    return poller


async def _import_in_thread() -> None:
    """Import what a look needs in a thread: on the event loop the import would block every other trigger."""
    global _imported
    if not _imported:
        await asyncio.to_thread(_import)
        _imported = True


def _import() -> None:
    import certifi  # noqa: F401
    import requests.utils  # noqa: F401

    from kling_airflow.triggers.metrics import AirflowMetrics

    AirflowMetrics().in_flight(0)  # Airflow reads its table of metrics when the first figure is sent
