"""The figures of the wait, sent to Airflow's own statistics (StatsD, Datadog or OpenTelemetry).

The variable parts of a figure are in its name, because plain StatsD has no tags. `docs/waiting.md` lists
every name.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cached_property
from typing import Any, Final

PREFIX: Final = "kling"
_UNUSABLE = re.compile(r"[^a-zA-Z0-9_-]")


class AirflowMetrics:
    """A :class:`~kling_airflow.polling.metrics.PollMetrics` for Airflow's statistics."""

    def in_flight(self, requests: int) -> None:
        """Set ``kling.requests_in_flight``."""
        self._stats.gauge(f"{PREFIX}.requests_in_flight", requests)

    def call(self, kind: str, outcome: str) -> None:
        """Count ``kling.calls.KIND.OUTCOME``."""
        self._stats.incr(f"{PREFIX}.calls.{kind}.{outcome}")

    def paused(self, seconds: float, *, limited: bool) -> None:
        """Count ``kling.pauses.REASON`` and time ``kling.pause_duration.REASON``."""
        reason = "rate_limit" if limited else "unreachable"
        self._stats.incr(f"{PREFIX}.pauses.{reason}")
        self._stats.timing(f"{PREFIX}.pause_duration.{reason}", timedelta(seconds=seconds))

    def noticed(self, lag: float) -> None:
        """Time ``kling.detection_lag``."""
        self._stats.timing(f"{PREFIX}.detection_lag", timedelta(seconds=lag))

    def generated(self, model: str, duration: int | None, seconds: float) -> None:
        """Time ``kling.generation_duration.MODEL.DURATION``."""
        name = (
            f"{PREFIX}.generation_duration.{_UNUSABLE.sub('_', model) or 'unknown'}.{duration or 'unknown'}"
        )
        self._stats.timing(name, timedelta(seconds=seconds))

    @cached_property
    def _stats(self) -> Any:
        """The statistics of Airflow's core: Airflow 3.3.2 sets up no other ones in the triggerer."""
        from importlib import import_module

        try:
            return import_module("airflow.observability.stats").Stats
        except ImportError:  # before 3.2
            return import_module("airflow.stats").Stats
