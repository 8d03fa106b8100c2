"""GMI Cloud's request queue on this machine: the same HTTP, real clips, faults on demand, a billing ledger.

    from kling_airflow.simulator import Simulator

    with Simulator(speed=60) as simulator:
        simulator.faults.add("rate-limited", times=2)
        print(simulator.base_url, simulator.api_key, simulator.ledger())

Importing this package loads nothing else. FastAPI and uvicorn are loaded when a simulator is started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kling_airflow.simulator.clock import Clock, ManualClock
    from kling_airflow.simulator.queue.billing import LedgerEntry
    from kling_airflow.simulator.server import Simulator
    from kling_airflow.simulator.settings import Account, Settings

__all__ = ["Account", "Clock", "LedgerEntry", "ManualClock", "Settings", "Simulator"]

_MODULES = {
    "Account": "settings",
    "Clock": "clock",
    "LedgerEntry": "queue.billing",
    "ManualClock": "clock",
    "Settings": "settings",
    "Simulator": "server",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
