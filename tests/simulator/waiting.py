"""Waiting for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], within: float = 5) -> None:
    """Wait until a condition is true, at most `within` seconds."""
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.01)
