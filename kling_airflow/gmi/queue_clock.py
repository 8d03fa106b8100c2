"""The queue's own time, as its responses tell it."""

from __future__ import annotations

import time
from collections.abc import Callable


class QueueClock:
    """Knows the queue's time from the ``Date`` headers of its responses.

    A response that a cache repeats tells a time that is too early, never one that is too late. So the
    latest time that any response tells is the one that counts.

    :param elapsed: seconds on a clock that no one sets; by default the machine's monotonic clock.
    """

    def __init__(self, elapsed: Callable[[], float] = time.monotonic) -> None:
        self.elapsed = elapsed
        self._offset: float | None = None

    def note(self, served_at: float | None) -> None:
        """Note the ``Date`` of a response that has just arrived, in Unix seconds; None if it has none."""
        if served_at is None:
            return
        offset = served_at - self.elapsed()
        self._offset = offset if self._offset is None else max(self._offset, offset)

    def now(self) -> float | None:
        """Return the queue's time, in Unix seconds; None if no response has told it yet."""
        return None if self._offset is None else self._offset + self.elapsed()
