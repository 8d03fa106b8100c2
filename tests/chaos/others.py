"""Another team in the organization: a younger request in the list proves that a lost one is not there."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

import requests

if TYPE_CHECKING:
    from types import TracebackType

OTHERS_EVERY = 20.0
"""Seconds between two orders of another team, whose requests are in the list, too."""


class Ordered(Protocol):
    """A world with a queue in which another team can order."""

    def order_for_somebody_else(self) -> None:
        """Let another user of the organization submit a request."""


class Others(threading.Thread):
    """Another team that orders a clip now and then; a context manager.

    :param world: with the queue.
    """

    def __init__(self, world: Ordered) -> None:
        super().__init__(name="others", daemon=True)
        self._world = world
        self._over = threading.Event()

    def run(self) -> None:
        """Order and pause until stopped; a failed order of the other team is ignored."""
        while not self._over.wait(OTHERS_EVERY):
            with suppress(requests.RequestException):
                self._world.order_for_somebody_else()

    def stop(self) -> None:
        """Stop, and wait until the thread has ended."""
        self._over.set()
        self.join()

    def __enter__(self) -> Others:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
