"""Counters in the text format that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_airflow.simulator.service import Service

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "gmi_simulator"


def exposition(service: Service) -> str:
    """Return every metric of a service."""
    service.store.advance(service.clock.now())
    statuses: Counter[tuple[str, ...]] = Counter()
    billed: Counter[tuple[str, ...]] = Counter()
    now = service.clock.now()
    for request in service.store:
        statuses[request.model.id, request.view(now)[0].value] += 1
        if request.billed:
            billed[request.organization,] += request.amount
    answers = {(name, str(status)): count for (name, status), count in service.answers.items()}
    struck = {(name,): count for name, count in service.faults.struck.items()}
    lines = [
        *_metric(
            "calls_total", "counter", "Calls, by answer; 0 is none.", ("call", "status"), answers.items()
        ),
        *_metric("requests", "gauge", "Requests, by status.", ("model", "status"), statuses.items()),
        *_metric(
            "billed_microusd", "gauge", "Micro-dollars held or charged.", ("organization",), billed.items()
        ),
        *_metric("faults_struck_total", "counter", "Faults that struck.", ("fault",), struck.items()),
    ]
    return "\n".join(lines) + "\n"


def _metric(
    name: str, kind: str, about: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], int]]
) -> Iterable[str]:
    yield f"# HELP {PREFIX}_{name} {about}"
    yield f"# TYPE {PREFIX}_{name} {kind}"
    for row, value in sorted(values):
        shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in zip(labels, row, strict=True))
        yield f"{PREFIX}_{name}{{{shown}}} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
