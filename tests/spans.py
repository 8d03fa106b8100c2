"""Spans that this package makes while Airflow's tracing is on, kept in memory."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.util._once import Once
from packaging.version import Version

from kling_airflow.hooks import airflow_tracer, land_span, tracing, wait_span
from tests.airflow_versions import AIRFLOW


class Spans:
    """What was sent.

    :param exporter: where it was sent to.
    """

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self.exporter = exporter

    def all(self) -> list[ReadableSpan]:
        """Return every span, in the order of their ends."""
        processor: Any = getattr(airflow_tracer.tracer(), "span_processor", None)
        assert processor.force_flush()
        return list(self.exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of one name."""
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """Return the only span of a name."""
        (span,) = self.named(name)
        return span


def forget() -> None:
    """Forget whether tracing is on, and with which tracer: both are read once in a process."""
    for kept in (tracing.is_on, airflow_tracer.tracer):
        kept.cache_clear()
    tracing._said.clear()


def set_provider(patch: pytest.MonkeyPatch, provider: TracerProvider | None) -> None:
    """Make a provider the global one, as Airflow 3.2 and later do once in a process."""
    patch.setattr(trace, "_TRACER_PROVIDER", provider)
    patch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())


def send_to(patch: pytest.MonkeyPatch, processor: SpanProcessor, exporter: SpanExporter) -> None:
    """Turn tracing on, and let Airflow's tracer hand its spans to a processor.

    :param exporter: the processor's, for Airflow before 3.2.
    """
    patch.setenv("AIRFLOW__TRACES__OTEL_ON", "True")
    if Version("3.2") <= AIRFLOW:
        provider = TracerProvider()
        provider.add_span_processor(processor)
        set_provider(patch, provider)
    else:
        module = import_module("airflow.traces.otel_tracer")
        options: dict[str, Any] = {} if AIRFLOW.major == 2 else {"use_simple_processor": True}
        made = module.OtelTrace(span_exporter=exporter, **options)
        made.span_processor = processor
        patch.setattr(module, "get_otel_tracer", lambda *_: made)
    forget()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Tracing is on; a tracer that fails fails the test."""
    exporter = InMemorySpanExporter()
    with pytest.MonkeyPatch.context() as patch:
        send_to(patch, SimpleSpanProcessor(exporter), exporter)
        for module in (tracing, wait_span, land_span):
            patch.setattr(module, "failed", _raise)
        yield Spans(exporter)
    forget()


def _raise(error: Exception) -> None:
    raise AssertionError("a span failed") from error


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return a span's attributes."""
    return dict(span.attributes or {})


def text_of(spans: list[ReadableSpan]) -> str:
    """Return everything that spans say: names, attributes, events, links, status, resource."""
    return "\n".join(span.to_json() for span in spans)
