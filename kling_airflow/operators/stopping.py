"""How a task that is told to end gets out of a wait: a flag, seen where it is safe to see it."""

from __future__ import annotations

import time
from typing import Final

_SLICE: Final = 0.5


class Stopped(Exception):
    """The task was told to end while it waited."""


class Stopping:
    """A wish to end, and sleeping that heeds it."""

    def __init__(self) -> None:
        self.asked = False

    def ask(self) -> None:
        """Wish that the task ends. Called from a signal handler: sets a flag and nothing else."""
        self.asked = True

    def check(self) -> None:
        """Raise :class:`Stopped` if the task is to end."""
        if self.asked:
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Sleep, but not on after the task was told to end.

        :raises Stopped: if it was.
        """
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE))
            self.check()
