"""The simulated service: the request queue, the faults in force, and counts of its calls."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from kling_airflow.simulator.faults.registry import Stage
from kling_airflow.simulator.faults.schedule import Schedule
from kling_airflow.simulator.queue.request_queue import RequestQueue
from kling_airflow.simulator.queue.requests import Overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kling_airflow.simulator.clock import Clock
    from kling_airflow.simulator.faults.schedule import Fault
    from kling_airflow.simulator.settings import Settings


class Service(RequestQueue):
    """The queue with its faults and counts. Everything here runs on the server's event loop."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.refuse_connections: Callable[[float], None] = lambda seconds: None
        self.resets = 0
        """How often the service was reset. A call that a fault held back over a reset is not handled."""
        super().__init__(settings, clock)

    def reset(self) -> None:
        """Forget every request, upload, count and fault; put the settings' faults in force."""
        super().reset()
        self.resets += 1
        self.calls: Counter[str] = Counter()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.faults = Schedule(self.clock, self.settings.seed)
        for fault in self.settings.faults:
            self.add_fault(fault)

    def add_fault(self, values: dict[str, Any]) -> Fault:
        """Put a fault in force; one in the life of a request that exists takes effect at once.

        :param values: its `name`, the calls it strikes, and its options.
        :raises ValueError: naming what is wrong.
        """
        options = {key: value for key, value in values.items() if key != "name"}
        fault = self.faults.add(str(values.get("name")), options)
        if fault.type.stage is Stage.LISTENER:
            self.faults.remove(fault.id)
            fault.apply(self.refuse_connections)
        request = self.store.get(fault.selector.request_id or "")
        if fault.type.stage is Stage.LIFE and request is not None and request.terminal is None:
            self.faults.remove(fault.id)
            self._override(request.overrides, fault)
            self.store.schedule(request, self.clock.now())
        return fault

    def overrides(self, faults: Iterable[Fault]) -> Overrides:
        """Return what the faults that strike a submission order for its request."""
        overrides = Overrides()
        for fault in faults:
            if fault.type.stage is Stage.LIFE:
                self._override(overrides, fault)
        return overrides

    def _override(self, overrides: Overrides, fault: Fault) -> None:
        fault.apply(overrides, self.settings)
        overrides.faults.append(fault.in_words())
