"""Values that were made a short while ago: each is made once, however many threads ask for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Keeps values for some seconds; what raises is not kept.

    :param max_age: seconds for which a value is kept.
    :param most: how many values are kept; the oldest is dropped first.
    :param now: the clock, monotonic seconds.
    """

    def __init__(self, max_age: float, most: int, *, now: Callable[[], float] = time.monotonic) -> None:
        self._max_age, self._most, self._now = max_age, most, now
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, tuple[float, T]] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of a key; a value that is too old is made anew."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:
                with self._lock:
                    kept = self._kept.get(key)
                    if kept is not None and self._now() - kept[0] <= self._max_age:
                        return kept[1]
                value = make()
                with self._lock:
                    self._kept.pop(key, None)
                    self._kept[key] = (self._now(), value)
                    while len(self._kept) > self._most:
                        del self._kept[next(iter(self._kept))]
                return value
        finally:
            with self._lock:
                if not making.locked():
                    self._making.pop(key, None)
