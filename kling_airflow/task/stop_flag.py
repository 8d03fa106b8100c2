"""The flag that a signal handler sets, and the sleep that ends when it is set.

A DAG's parse needs the flag, but nothing of what a stopped task does (:mod:`kling_airflow.task.stop`).
"""

from __future__ import annotations

import time
from typing import Final

_CHECK_EVERY: Final = 0.5
"""Seconds of sleep between two checks of the flag."""


class Stopped(Exception):
    """The task was told to end while it waited."""


class StopFlag:
    """Says whether the task was told to end, and sleeps no longer than until then."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        """Set the flag. Safe in a signal handler."""
        self.is_set = True

    def check(self) -> None:
        """Raise :class:`Stopped` if the flag is set."""
        if self.is_set:
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Sleep until the time is over, or the flag is set.

        :raises Stopped: if the flag is set.
        """
        until = time.monotonic() + seconds
        self.check()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _CHECK_EVERY))
            self.check()
