"""A trigger's way to its poller: the connection is read, again where the failure may pass."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from kling_airflow.errors import KlingError, Unauthorized, Unreachable

if TYPE_CHECKING:
    from kling_airflow.polling.decision import Wait
    from kling_airflow.polling.poller import Poller

BELIEVED_AFTER: Final = 3
"""How often a connection must be missing. The task that began the wait has read it, and Airflow says "not
defined", too, when a secrets backend fails (3.3.2)."""

BELIEVED_AFTER_SECONDS: Final = 300.0
"""For how long, at least: an outage of a secrets backend ends no paid wait."""

FRESH: Final = 20.0
"""Seconds for which a connection that one trigger has read serves the others, too: a thousand triggers that
start together ask a secrets backend once."""

_loaded = False
_read: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[Poller, float]]] = WeakKeyDictionary()


async def connect(gmi_conn_id: str, wait: Wait, interval: float, log: Any) -> Poller | KlingError:
    """Return the connection's poller, or what ends the wait without one.

    :param interval: seconds until the connection is read again after a failure.
    """
    await _load()
    began, missing = time.time(), 0
    while True:
        seen: KlingError
        try:
            return await _poller(gmi_conn_id)
        except Unauthorized as error:
            missing += 1
            if missing >= BELIEVED_AFTER and time.time() - began >= BELIEVED_AFTER_SECONDS:
                return error.about(wait.request_id)
            seen = Unreachable(error.what)
        except KlingError as error:
            return error.about(wait.request_id)
        except Exception as error:
            # Its text stays out: what a secrets backend says may hold secrets.
            seen = Unreachable(f"The connection `{gmi_conn_id}` can't be read now ({type(error).__name__}).")
        now = time.time()
        if isinstance(end := wait.decide(seen, now=now, last_answer_at=began), KlingError):
            return end
        log.warning("%s Trying again.", seen.what)
        await asyncio.sleep(wait.next_look(now, interval))


async def _poller(gmi_conn_id: str) -> Poller:
    from kling_airflow.hooks.gmi import GMICloudHook

    loop = asyncio.get_running_loop()
    read = _read.setdefault(loop, {})
    poller, at = read.get(gmi_conn_id, (None, 0.0))
    if poller is None or poller.closed or loop.time() - at > FRESH:
        poller = await GMICloudHook(gmi_conn_id).get_poller()
        read[gmi_conn_id] = poller, loop.time()
    return poller


async def _load() -> None:
    """Import what a look needs in a thread: on the event loop it would hold up every other trigger."""
    global _loaded
    if not _loaded:
        await asyncio.to_thread(_import)
        _loaded = True


def _import() -> None:
    import certifi  # noqa: F401
    import requests.utils  # noqa: F401

    from kling_airflow.triggers.metrics import AirflowMetrics

    AirflowMetrics().in_flight(0)  # with its first figure, Airflow parses its table of metrics
