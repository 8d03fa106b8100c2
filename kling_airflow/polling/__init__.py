"""The wait that all requests of a connection share. It is used and tested without Airflow.

::

    poller = poller_of(AsyncGMIClient(api_key))
    wait = Wait(request_id, started_at=time.time(), deadline=time.time() + 3600)
    with poller.add_waiter(wait, model=model, interval=10) as waiter:
        while (end := await waiter.result(within=60)) is None:
            print(waiter.last_seen)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.polling.decision import Wait, from_event, to_event
    from kling_airflow.polling.metrics import NoMetrics, PollMetrics
    from kling_airflow.polling.poller import Poller, poller_of
    from kling_airflow.polling.rate_limiter import RateLimiter
    from kling_airflow.polling.waiter import Waiter

__all__ = [
    "NoMetrics",
    "PollMetrics",
    "Poller",
    "RateLimiter",
    "Wait",
    "Waiter",
    "from_event",
    "poller_of",
    "to_event",
]

_HOME = {
    "NoMetrics": "metrics",
    "PollMetrics": "metrics",
    "Poller": "poller",
    "RateLimiter": "rate_limiter",
    "Wait": "decision",
    "Waiter": "waiter",
    "from_event": "decision",
    "poller_of": "poller",
    "to_event": "decision",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
