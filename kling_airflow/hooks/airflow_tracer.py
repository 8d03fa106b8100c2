"""Airflow's own tracer, and the place of a task in its trace, on every supported version of Airflow.

Import this module only while tracing is on: it imports OpenTelemetry. Read in Airflow's source:

- From 3.2 on, ``airflow.settings`` gives OpenTelemetry a global tracer provider
  (``_shared/observability/traces``). A worker's span is current while a task executes, a triggerer's while a
  trigger runs, and Airflow flushes what a task's process has made.
- 3.0 and 3.1 make a tracer with ``airflow.traces.otel_tracer``, and hand a task only the carrier of its span.
- 2.11 has that module, too. It hands a task nothing: the ids of its spans are hashes of the task's own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from copy import copy
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from opentelemetry.context import Context

SCOPE: Final = "kling_airflow"
"""The name of this package's tracer."""
FLUSH_SECONDS: Final = 5.0
"""Seconds, at most, in which a task hands its spans to a collector before Airflow 3.2."""

_carriers: Final = TraceContextTextMapPropagator()


@cache
def tracer() -> trace.Tracer:
    """Return the tracer whose spans go where Airflow's go."""
    if (module := _before_32()) is None:
        return trace.get_tracer(SCOPE)
    made: trace.Tracer = module.get_otel_tracer(import_module("airflow.traces.tracer").Trace).get_tracer(
        SCOPE
    )
    return made


def tracer_of(span_id: int) -> trace.Tracer:
    """Return a tracer whose next span has an id that others, made before it, hang under.

    Airflow does the same: its spans of a task and of a run are made when these have ended.
    """
    made = copy(tracer())
    if not hasattr(made, "id_generator"):  # one that makes no spans
        return made
    made.id_generator = _GivenId(span_id)
    return made


def place_of(context: Mapping[str, Any]) -> Context | None:
    """Return where a task's spans hang: under the current span, else under Airflow's span of the task.

    :param context: the task's context; empty for none.
    :return: None for a trace of their own.
    """
    if trace.get_current_span().get_span_context().is_valid:
        return trace.set_span_in_context(trace.get_current_span())
    ti = context.get("ti")
    carrier = getattr(ti, "context_carrier", None)
    if isinstance(carrier, Mapping) and carrier:
        return _valid(_carriers.extract(carrier))
    return _place_in_2(ti, context.get("dag_run"))


def read_place(traceparent: object) -> Context | None:
    """Return the place that another process has written down, None if the text is none."""
    if not isinstance(traceparent, str):
        return None
    return _valid(_carriers.extract({"traceparent": traceparent}))


def written_place(place: Context | None) -> str | None:
    """Return a place as a text that another process can read, None for no place."""
    carrier: dict[str, str] = {}
    if place is not None:
        _carriers.inject(carrier, place)
    return carrier.get("traceparent")


def flush() -> None:
    """Hand the spans of this process over, before Airflow 3.2: the process of a task ends without doing so.

    It waits for a few seconds at most: a collector that does not respond holds no task up for longer.
    """
    processor = getattr(tracer(), "span_processor", None)
    if _before_32() is None or processor is None:
        return
    thread = threading.Thread(target=processor.force_flush, name="kling-spans", daemon=True)
    thread.start()
    thread.join(FLUSH_SECONDS)


@cache
def _before_32() -> Any:
    """Return Airflow's module of tracers before 3.2, None from there on."""
    try:
        return import_module("airflow.traces.otel_tracer")
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("airflow.traces"):
            raise
        return None


def _place_in_2(ti: Any, dag_run: Any) -> Context | None:
    """Return the place of a task in Airflow 2.11, which makes its ids of the run's and the task's."""
    ids: Any = import_module("airflow.traces.utils") if _before_32() is not None else None
    key = getattr(ti, "key", None)
    if key is None or not hasattr(ids, "gen_trace_id") or getattr(dag_run, "start_date", None) is None:
        return None
    span = trace.SpanContext(
        trace_id=int(ids.gen_trace_id(dag_run, as_int=True)),
        span_id=int(ids.gen_span_id_from_ti_key(key, as_int=True)),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(span))


def _valid(place: Context) -> Context | None:
    return place if trace.get_current_span(place).get_span_context().is_valid else None


class _GivenId(RandomIdGenerator):
    """Gives a span the id that it is to have."""

    def __init__(self, span_id: int) -> None:
        self.span_id = span_id

    def generate_span_id(self) -> int:
        return self.span_id
