"""SIGINT, SIGHUP and SIGTERM are handled alike: each stops every process of the demo, once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruptions:
    """Turns each stopping signal into ``KeyboardInterrupt``, unless that would leave a process running."""

    def __init__(self) -> None:
        self._held = False
        self._pending = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Raise ``KeyboardInterrupt`` on a stopping signal while the block runs."""
        before = {number: signal.signal(number, self._handle) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay a stopping signal until the block has finished: used while a process is started."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    @contextmanager
    def ignored(self) -> Iterator[None]:
        """Ignore stopping signals while the block runs: used while everything is being stopped."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
            self._pending = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._held:
            raise KeyboardInterrupt
        self._pending = True
