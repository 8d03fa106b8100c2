"""What the poller counts, for whoever keeps metrics. It counts into nothing by default."""

from __future__ import annotations

from typing import Protocol


class PollMetrics(Protocol):
    """Keeps what it is told. Called on the event loop: it must not block, and never raise."""

    def in_flight(self, requests: int) -> None:
        """Take in how many requests are waited for."""

    def call(self, kind: str, outcome: str) -> None:
        """Count a call: its kind (`id`, `list`, `check`) and how it went."""

    def paused(self, seconds: float, *, limited: bool) -> None:
        """Count a pause of the connection, in seconds; `limited`: by the queue's word (429, Retry-After)."""

    def noticed(self, lag: float) -> None:
        """Take in how many seconds after the queue's own stamp of it an end was noticed."""

    def generated(self, model: str, duration: int | None, seconds: float) -> None:
        """Take in how many seconds a clip took from submission to success."""


class NoMetrics:
    """Keeps nothing."""

    def in_flight(self, requests: int) -> None:
        """Keep nothing."""

    def call(self, kind: str, outcome: str) -> None:
        """Keep nothing."""

    def paused(self, seconds: float, *, limited: bool) -> None:
        """Keep nothing."""

    def noticed(self, lag: float) -> None:
        """Keep nothing."""

    def generated(self, model: str, duration: int | None, seconds: float) -> None:
        """Keep nothing."""
