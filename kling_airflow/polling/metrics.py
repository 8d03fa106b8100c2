"""What the poller counts. By default the figures go nowhere; `hooks/metrics.py` sends them to Airflow."""

from __future__ import annotations

from typing import Protocol


class PollMetrics(Protocol):
    """Receives the poller's figures. Called on the event loop: a method must not block, and never raise."""

    def in_flight(self, requests: int) -> None:
        """Record how many requests have a waiter."""

    def call(self, kind: str, outcome: str) -> None:
        """Count a call: its kind (`id`, `list`, `check`) and its outcome."""

    def paused(self, seconds: float, *, limited: bool) -> None:
        """Count a pause of the connection, in seconds; `limited`: the queue asked (429, `Retry-After`)."""

    def noticed(self, lag: float) -> None:
        """Record how many seconds after the queue's own time of an end the poller saw that end."""

    def generated(self, model: str, duration: int | None, seconds: float) -> None:
        """Record how many seconds a clip took from submission to success."""


class NoMetrics:
    """Ignores every figure."""

    def in_flight(self, requests: int) -> None:
        """Ignore the figure."""

    def call(self, kind: str, outcome: str) -> None:
        """Ignore the figure."""

    def paused(self, seconds: float, *, limited: bool) -> None:
        """Ignore the figure."""

    def noticed(self, lag: float) -> None:
        """Ignore the figure."""

    def generated(self, model: str, duration: int | None, seconds: float) -> None:
        """Ignore the figure."""
