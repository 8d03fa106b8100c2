"""The figures of the wait, sent to Airflow's own statistics (StatsD, Datadog or OpenTelemetry).

`metric_names.py` lists every name.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import Any

from kling_airflow.hooks import metric_names as names


class AirflowMetrics:
    """A :class:`~kling_airflow.polling.metrics.PollMetrics` for Airflow's statistics."""

    def in_flight(self, requests: int) -> None:
        """Set ``kling.requests_in_flight``."""
        self._stats.gauge(names.IN_FLIGHT.of(), requests)

    def call(self, kind: str, outcome: str) -> None:
        """Count ``kling.calls.KIND.OUTCOME``."""
        self._stats.incr(names.CALLS.of(KIND=kind, OUTCOME=outcome))

    def paused(self, seconds: float, *, limited: bool) -> None:
        """Count ``kling.pauses.REASON`` and time ``kling.pause_duration.REASON``."""
        reason = "rate_limit" if limited else "unreachable"
        self._stats.incr(names.PAUSES.of(REASON=reason))
        self._stats.timing(names.PAUSE_DURATION.of(REASON=reason), timedelta(seconds=seconds))

    def noticed(self, lag: float) -> None:
        """Time ``kling.detection_lag``."""
        self._stats.timing(names.DETECTION_LAG.of(), timedelta(seconds=lag))

    def generated(self, model: str, duration: int | None, seconds: float) -> None:
        """Time ``kling.generation_duration.MODEL.DURATION``."""
        name = names.GENERATION_DURATION.of(MODEL=model, SECONDS=str(duration or "unknown"))
        self._stats.timing(name, timedelta(seconds=seconds))

    @cached_property
    def _stats(self) -> Any:
        """The statistics of Airflow's core: Airflow 3.3.2 sets up no other ones in the triggerer."""
        from importlib import import_module

        try:
            return import_module("airflow.observability.stats").Stats
        except ImportError:  # before 3.2
            return import_module("airflow.stats").Stats
