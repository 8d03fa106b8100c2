"""A DAG file that uses the provider stays cheap to parse: nothing heavy is imported with its modules."""

from __future__ import annotations

import os

from benchmarks.bench_dag_parse import AIM_MS, CASES, measure


def test_nothing_heavy_is_imported_when_a_dag_is_parsed() -> None:
    modules = CASES["kling_airflow, all of it"]
    runs = [measure(modules, dict(os.environ)) for _ in range(3)]
    assert runs[0]["heavy"] == []
    # CPU time: a busy machine stretches the other one.
    assert min(run["cpu_ms"] for run in runs) < AIM_MS
    assert runs[0]["modules"] < 40


def test_the_measure_sees_a_heavy_import() -> None:
    assert "requests" in measure(CASES["amazon: S3 operators"], dict(os.environ))["heavy"]
