"""An event loop whose clock jumps to the next timer instead of waiting for it."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

START = 1_795_824_000.0
"""Unix seconds of the day's first moment: 2026-11-28, 00:00 UTC."""


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[valid-type,misc]
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found:
            if timeout is None:
                raise RuntimeError("Nothing is left to wait for: the simulation would stand still.")
            self.loop.elapsed += max(0.0, timeout)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs timers in their order, each at its own time, without waiting."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Return the simulated seconds since the start of the day."""
        return self.elapsed

    def unix(self) -> float:
        """Return the simulated time in Unix seconds."""
        return START + self.elapsed
