"""How a trigger gets its poller: its connection is read, and read again after a failure that may pass."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from kling_airflow.errors import KlingError, Unauthorized, Unreachable
from kling_airflow.polling.log_lines import say

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

REREAD_SECONDS: Final = 10.0
"""Seconds for which triggers share one read of a connection whose key the queue refuses."""

READ_SECONDS: Final = 30.0
"""Seconds for one read of a connection: a secrets backend that does not respond delays no wait for longer."""

_ERROR_REUSE_PART = 0.9
"""Triggers share a failed read for this part of their interval, so each of them reads again after one."""


@dataclass
class _LastRead:
    """The last read of a connection in one event loop; times are those of the loop's clock."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    poller: Poller | None = None
    read_at: float = 0.0
    error: Exception | None = None
    failed_at: float = 0.0


_imported = False
_last_reads: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _LastRead]] = WeakKeyDictionary()


async def connect(gmi_conn_id: str, wait: Wait, interval: float, log: Any) -> Poller | KlingError:
    """Return the connection's poller, or the error that ends the wait.

    :param interval: seconds until the connection is read again after a failure.
    """
    began, missing_reads = time.time(), 0
    while True:
        seen: KlingError
        try:
            await _import_in_thread()
            return await _poller(
                gmi_conn_id, max_age=REUSE_SECONDS, error_max_age=interval * _ERROR_REUSE_PART
            )
        except Unauthorized as error:
            missing_reads += 1
            if missing_reads >= MISSING_READS and time.time() - began >= MISSING_SECONDS:
                return error.about(wait.request_id)
            seen = Unreachable(error.what)
        except KlingError as error:
            return error.about(wait.request_id)
        except ImportError as error:
            return _not_installed(error).about(wait.request_id)
        except Exception as error:
            # The text of the error is left out: what a secrets backend says may contain secrets.
            seen = Unreachable(f"The connection `{gmi_conn_id}` can't be read now ({type(error).__name__}).")
        now = time.time()
        if isinstance(end := wait.decide(seen, now=now, last_response_at=began), KlingError):
            return end
        await say(log.warning, "%s The trigger reads the connection again.", seen.what)
        await asyncio.sleep(wait.next_look(now, interval))


async def read_again(gmi_conn_id: str) -> Poller | None:
    """Return the poller of the connection as it is now, after the queue has refused its key.

    All waiters of the connection share one read in `REREAD_SECONDS`.

    :return: None if the connection can't be read now.
    :raises KlingError: if the connection is missing, has no key, or can't be used.
    """
    try:
        return await _poller(gmi_conn_id, max_age=REREAD_SECONDS, error_max_age=REREAD_SECONDS)
    except KlingError:
        raise
    except Exception:
        return None


async def _poller(gmi_conn_id: str, *, max_age: float, error_max_age: float) -> Poller:
    """Return the poller of a read that is not older than `max_age`; read the connection if there is none.

    :param error_max_age: a failed read that is younger is not repeated: its error is raised.
    """
    from kling_airflow.hooks.gmi import GMICloudHook

    loop = asyncio.get_running_loop()
    last = _last_reads.setdefault(loop, {}).setdefault(gmi_conn_id, _LastRead())
    async with last.lock:
        now = loop.time()
        if last.error is not None and now - last.failed_at < error_max_age:
            raise last.error.with_traceback(None)
        if last.poller is None or last.poller.closed or now - last.read_at > max_age:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    last.poller = await GMICloudHook(gmi_conn_id).get_poller()
            except Exception as error:
                last.error, last.failed_at = error, loop.time()
                raise
            last.read_at, last.error = loop.time(), None
        return last.poller


def _not_installed(error: ImportError) -> Unreachable:
    package = f"`{error.name.partition('.')[0]}`" if error.name else "a package"
    return Unreachable(
        f"The triggerer can't import {package} ({str(error)[:300]}).",
        todo="Install it where the triggerer runs, then run this task again: it waits for the same request.",
    )


async def _import_in_thread() -> None:
    """Import what a look needs in a thread: on the event loop the import would block every other trigger."""
    global _imported
    if not _imported:
        await asyncio.to_thread(_import)
        _imported = True


def _import() -> None:
    import certifi  # noqa: F401
    import requests.utils  # noqa: F401

    from kling_airflow.hooks.metrics import AirflowMetrics
    from kling_airflow.hooks.tracing import prepare

    AirflowMetrics().in_flight(0)  # Airflow reads its table of metrics when the first figure is sent
    prepare()
