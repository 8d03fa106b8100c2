"""Everything that goes wrong with the queue, each kind with its share of the calls it can strike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.faults.registry import FaultType, Stage
from kling_airflow.simulator.faults.table import FAULT_TYPES
from kling_airflow.simulator.queue import calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_airflow.simulator import Simulator
    from tests.chaos.killer import Killer

LEFT_OUT = {
    "stuck-queued": "never ends, so nothing can land",
    "stuck-dispatched": "never ends, so nothing can land",
    "success-no-media": "there is no clip, so nothing can land",
    "backend-error": "refused for good, and so never billed",
    "failed": "refused for good, and so never billed",
    "failed-content-policy": "refused for good, and so never billed",
    "error-elsewhere": "refused for good, and so never billed",
    "cancelled-by-vendor": "cancelled for good, and so never billed",
    "key-refused": "a refused key fails a task at once",
    "gateway-forbids": "a refused key fails a task at once",
    "billed-price": "changes the bill only",
    "catalogue-price": "the tasks do not read the catalogue",
    "catalogue-no-price": "the tasks do not read the catalogue",
    "catalogue-error": "the tasks do not read the catalogue",
}
"""Kinds that would only make the table smaller, and why."""

OPTIONS: dict[str, dict[str, Any]] = {
    "late-arrival": {"seconds": 3},
    "late-not-created": {"seconds": 3},
    "late-answer": {"seconds": 3},
    "rate-limited": {"retry_after": 2},
    "capacity": {"retry_after": 2},
    "hidden-by-id": {"seconds": 20},
    "failed-download": {"after": 5},
    "list-lag": {"lag": 20},
    "list-padded": {"bytes": 100_000},
    "created-late": {"seconds": 3},
    "slow-request": {"bytes_per_second": 500_000},
    "slow-headers": {"seconds": 2},
    "list-cached": {"seconds": 30},
}
STRUCK = (calls.SUBMIT, calls.GET, calls.LIST, calls.UPLOAD_URL, calls.PUT_UPLOAD, calls.MEDIA)


def put_in_force(simulator: Simulator, share: float) -> int:
    """Put every kind in force for every call it can strike; return how many faults that are.

    :param share: of the calls of each name, 0 to 1, that something happens to.
    """
    planned = list(_plan())
    for call, kind in planned:
        rivals = sum(1 for other, _ in planned if other == call)
        options = OPTIONS.get(kind.name, {})
        simulator.faults.add(kind.name, call=call, probability=share / rivals, **options)
    return len(planned)


def what_went_wrong(simulator: Simulator, killer: Killer, seed: int) -> str:
    """End all faults, and say in a sentence how many calls they struck, and what was killed meanwhile."""
    struck = sum(fault["struck"] for fault in simulator.faults.list())
    simulator.faults.clear()
    calls = sum(simulator.calls().values())
    kills = ", ".join(f"{count} {name}" for name, count in sorted(killer.killed.items()))
    return f"Seed {seed}. {struck} of {calls} calls were struck by a fault. Meanwhile: {kills}."


def _plan() -> Iterator[tuple[str, FaultType]]:
    for kind in FAULT_TYPES.values():
        if kind.name not in LEFT_OUT and kind.stage is not Stage.LISTENER:  # that one is the killer's
            for call in STRUCK:
                if call in kind.calls and _makes_sense(kind, call):
                    yield call, kind


def _makes_sense(kind: FaultType, call: str) -> bool:
    """Whether a kind that can strike any call belongs to this one."""
    media = kind.name.startswith("media-")
    return media == (call == calls.MEDIA) or (kind.stage is Stage.AFTER and call == calls.MEDIA)
