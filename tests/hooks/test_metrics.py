"""The names and units that reach Airflow's statistics, as configured in the triggerer's process."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.version import Version

from kling_airflow.hooks.metrics import AirflowMetrics
from tests.airflow_versions import AIRFLOW, needs_airflow_here

needs_airflow_here("3.2", "this registry of statistics")

from airflow._shared.observability.metrics import stats  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator


class Backend:
    """A statistics backend that keeps every figure."""

    def __init__(self) -> None:
        self.figures: list[tuple[str, str, Any]] = []

    def incr(self, stat: str, count: int = 1, **_: Any) -> None:
        self.figures.append(("count", stat, count))

    def gauge(self, stat: str, value: float, **_: Any) -> None:
        self.figures.append(("gauge", stat, value))

    def timing(self, stat: str, dt: timedelta, **_: Any) -> None:
        self.figures.append(("seconds", stat, dt.total_seconds()))


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    made = Backend()
    if Version("3.3") <= AIRFLOW:
        registry: Any = stats
        before, options = registry._factory, {"export_legacy_names": True}
    else:  # the registry of Airflow 3.2 is a class of this module
        registry = stats.Stats
        before, options = registry.factory, {}
    registry.initialize(factory=lambda: made, **options)
    yield made
    registry.initialize(factory=before, **options)


def test_the_names(backend: Backend) -> None:
    metrics = AirflowMetrics()
    metrics.in_flight(12)
    metrics.call("list", "ok")
    metrics.paused(3.0, limited=True)
    metrics.paused(4.0, limited=False)
    metrics.noticed(2.5)
    metrics.generated("kling-v3-image-to-video", 5, 165.0)
    metrics.generated("a model/of.another kind", None, 1.0)
    assert backend.figures == [
        ("gauge", "kling.requests_in_flight", 12),
        ("count", "kling.calls.list.ok", 1),
        ("count", "kling.pauses.rate_limit", 1),
        ("seconds", "kling.pause_duration.rate_limit", 3.0),
        ("count", "kling.pauses.unreachable", 1),
        ("seconds", "kling.pause_duration.unreachable", 4.0),
        ("seconds", "kling.detection_lag", 2.5),
        ("seconds", "kling.generation_duration.kling-v3-image-to-video.5", 165.0),
        ("seconds", "kling.generation_duration.a_model_of_another_kind.unknown", 1.0),
    ]


def test_airflow_accepts_every_name(backend: Backend) -> None:
    test_the_names(backend)
    for _, name, _ in backend.figures:
        assert stats.normalize_name_for_stats(name) == name


def test_the_docs_list_every_name(backend: Backend) -> None:
    test_the_names(backend)
    page = Path(__file__).parents[2].joinpath("docs", "waiting.md").read_text()
    for _, name, _ in backend.figures:
        assert f"`{'.'.join(name.split('.')[:2])}" in page, "the part of the name that never varies"


def test_without_statistics_no_error_is_raised() -> None:
    """Asserts that the call returns."""
    AirflowMetrics().in_flight(1)
