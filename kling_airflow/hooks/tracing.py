"""Spans of what this package does, over Airflow's own tracer (``[traces] otel_on``).

While tracing is off nothing of OpenTelemetry is imported, and a span is one object that does nothing. A
tracer that fails ends its span, never a task: the log says so once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span as OtelSpan

    from kling_airflow.hooks.span_names import SpanKind

log = logging.getLogger(__name__)

MAX_CHARACTERS: Final = 250
"""Length of a text in an attribute."""


class Span:
    """What a running step tells about itself. This one is for a step that is not traced: it does nothing."""

    __slots__ = ()

    def set(self, **values: object) -> None:
        """Set attributes, by their names in ``span_names.py``; None for what is not known."""

    def place(self) -> str | None:
        """Return the span's place in its trace (W3C ``traceparent``), for another process."""
        return None


NO_SPAN: Final = Span()


@cache
def is_on() -> bool:
    """Return whether Airflow's tracing is on."""
    from kling_airflow.airflow_compat import conf

    try:
        return bool(conf.getboolean("traces", "otel_on", fallback=False))
    except Exception as error:
        failed(error)
        return False


def prepare() -> None:
    """Import what spans need, for a thread: on an event loop the import would block every trigger."""
    if is_on():
        try:
            from kling_airflow.hooks.airflow_tracer import tracer

            tracer()
        except Exception as error:
            failed(error)


@contextmanager
def span(
    kind: SpanKind,
    context: Mapping[str, Any],
    *,
    under: str | None = None,
    pauses: tuple[type[BaseException], ...] = (),
    **values: object,
) -> Iterator[Span]:
    """Trace a step of a task: the block's own spans, and those of libraries, hang under it.

    :param context: the task's context.
    :param under: the place of the span that it hangs under; None for the current span, or the task's.
    :param pauses: exceptions that end the step without being an error, besides a deferral.
    :param values: attributes, by their names in ``span_names.py``.
    """
    opened = _open(kind, context, under, values) if is_on() else None
    if opened is None:
        yield NO_SPAN
        return
    try:
        yield opened
    except BaseException as error:
        opened.ended_with(error, pauses)
        raise
    finally:
        opened.close()


def place(context: Mapping[str, Any]) -> str | None:
    """Return a task's place in its trace (W3C ``traceparent``), None if tracing is off."""
    if not is_on():
        return None
    try:
        from kling_airflow.hooks.airflow_tracer import place_of, written_place

        return written_place(place_of(context))
    except Exception as error:
        failed(error)
        return None


def emit(
    kind: SpanKind,
    *,
    under: Context | None,
    began_at: float,
    values: Mapping[str, object],
    events: Sequence[tuple[float, str, Mapping[str, object]]] = (),
    error: BaseException | None = None,
    is_error: bool = False,
    linked: Context | None = None,
    span_id: int | None = None,
    flush: bool = False,
) -> None:
    """Make a span of a step that has just ended; the caller sees to it that tracing is on.

    :param under: the place that the span hangs under; None for a trace of its own.
    :param began_at: when the step began, in Unix seconds.
    :param events: when, in Unix seconds, which, and with which attributes.
    :param error: what the step has failed with; None if it has not, or if ``is_error`` says so.
    :param linked: a place that the span names as its origin.
    :param span_id: the id that other spans, made before this one, hang under; None for any.
    :param flush: hand the span over now, because the process of a task may end at once; a span that is
        current does it later.
    """
    try:
        from opentelemetry import trace

        from kling_airflow.hooks import airflow_tracer

        links = [] if linked is None else [trace.Link(trace.get_current_span(linked).get_span_context())]
        tracer = airflow_tracer.tracer() if span_id is None else airflow_tracer.tracer_of(span_id)
        made = tracer.start_span(
            kind.full_name,
            context=under,
            start_time=int(began_at * 1e9),
            links=links,
            attributes=attributes(kind, values),
        )
        for at, name, of_event in events:
            made.add_event(f"kling.{name}", attributes(kind, of_event), timestamp=int(at * 1e9))
        if error is not None:
            _mark(kind, made, error)
        elif is_error:
            made.set_status(trace.Status(trace.StatusCode.ERROR))
        made.end()
        if flush and not trace.get_current_span().get_span_context().is_valid:
            airflow_tracer.flush()
    except Exception as problem:
        failed(problem)


def attributes(kind: SpanKind, values: Mapping[str, object]) -> dict[str, str | bool | int | float]:
    """Return the attributes that are sent: those of the span's list, texts short and without signatures."""
    from kling_airflow.redaction import redacted

    sent: dict[str, str | bool | int | float] = {}
    for name, value in values.items():
        known = kind.attribute(name)
        if known is None:
            log.debug("%s has no attribute %r.", kind.full_name, name)
        elif isinstance(value, str):
            sent[known.full_name] = redacted(value)[:MAX_CHARACTERS]
        elif isinstance(value, bool | int | float):
            sent[known.full_name] = float(value) if known.kind == "double" else value
    return sent


def failed(error: Exception) -> None:
    """Say once in a process that spans are lost. The error's text may hold an address: it is left out."""
    if not _said:
        _said.append(True)
        log.warning(
            "A span could not be made or sent (%s). The task goes on; spans may be missing.",
            type(error).__name__,
        )


_said: Final[list[bool]] = []


class _OpenSpan(Span):
    """A span of a running step; it is current until it is closed."""

    __slots__ = ("_alone", "_kind", "_span", "_token")

    def __init__(self, kind: SpanKind, made: OtelSpan, token: Any, *, alone: bool) -> None:
        self._kind, self._span, self._token, self._alone = kind, made, token, alone

    def set(self, **values: object) -> None:
        """Set attributes."""
        try:
            self._span.set_attributes(attributes(self._kind, values))
        except Exception as error:
            failed(error)

    def place(self) -> str | None:
        """Return the span's place in its trace."""
        try:
            from opentelemetry import trace

            from kling_airflow.hooks.airflow_tracer import written_place

            return written_place(trace.set_span_in_context(self._span))
        except Exception as error:
            failed(error)
            return None

    def ended_with(self, error: BaseException, pauses: tuple[type[BaseException], ...]) -> None:
        """Note the error that the step ended with, unless it is a pause."""
        try:
            from kling_airflow.airflow_compat import TaskDeferred

            paused = isinstance(error, (TaskDeferred, *pauses))
            if self._kind.attribute("order_state"):
                self.set(order_state="paused" if paused else "failed")
            if not paused:
                _mark(self._kind, self._span, error)
        except Exception as problem:
            failed(problem)

    def close(self) -> None:
        """End the span; the span before is current again."""
        try:
            from opentelemetry import context

            context.detach(self._token)
        except Exception as error:
            failed(error)
        try:
            self._span.end()
            if self._alone:
                from kling_airflow.hooks.airflow_tracer import flush

                flush()
        except Exception as error:
            failed(error)


def _open(
    kind: SpanKind, context: Mapping[str, Any], under: str | None, values: Mapping[str, object]
) -> _OpenSpan | None:
    """Return a span that has just begun, None if the tracer fails."""
    try:
        from opentelemetry import context as current
        from opentelemetry import trace

        from kling_airflow.hooks.airflow_tracer import SCOPE, place_of, read_place, tracer

        # Airflow 3.1 leaves a span of its own current, and flushes nothing.
        scope = getattr(trace.get_current_span(), "instrumentation_scope", None)
        alone = scope is None or scope.name != SCOPE
        where = read_place(under) or place_of(context)
        made = tracer().start_span(kind.full_name, context=where, attributes=attributes(kind, values))
        token = current.attach(trace.set_span_in_context(made))
    except Exception as error:
        failed(error)
        return None
    return _OpenSpan(kind, made, token, alone=alone)


def _mark(kind: SpanKind, made: OtelSpan, error: BaseException) -> None:
    """Mark a span as failed: by the class of the error, because its text may quote what was asked."""
    from opentelemetry.trace import Status, StatusCode

    money = getattr(error, "money", None)
    values = {"error.type": type(error).__name__, "money": getattr(money, "name", "").lower() or None}
    made.set_attributes(attributes(kind, values))
    made.set_status(Status(StatusCode.ERROR))
