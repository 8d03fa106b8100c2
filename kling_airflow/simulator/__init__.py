"""GMI Cloud's request queue on your machine: wire-faithful, real clips, faults on demand, a billing ledger.

Importing this package costs nothing; FastAPI and uvicorn are loaded when a simulator is started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.simulator.clock import Clock, ManualClock
    from kling_airflow.simulator.queue.billing import LedgerEntry
    from kling_airflow.simulator.server import Simulator
    from kling_airflow.simulator.settings import Account, Settings

__all__ = ["Account", "Clock", "LedgerEntry", "ManualClock", "Settings", "Simulator"]

_HOME = {
    "Account": "settings",
    "Clock": "clock",
    "LedgerEntry": "queue.billing",
    "ManualClock": "clock",
    "Settings": "settings",
    "Simulator": "server",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
