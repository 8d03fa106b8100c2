"""A DAG file that uses the provider stays cheap to parse: nothing heavy is imported with its modules."""

from __future__ import annotations

import os

from benchmarks.bench_dag_parse import AIM_MS, CASES, measure
from tests.airflow_versions import AIRFLOW


def test_nothing_heavy_is_imported_when_a_dag_is_parsed() -> None:
    modules = CASES["kling_airflow, all of it"]
    runs = [measure(modules, dict(os.environ)) for _ in range(3)]
    assert runs[0]["heavy"] == []
    # CPU time: a busy machine stretches the other one.
    assert min(run["cpu_ms"] for run in runs) < AIM_MS
    if AIRFLOW.major > 2:  # Airflow 2's own base classes load less of what both need
        assert runs[0]["modules"] < 40


def test_the_measure_sees_a_heavy_import() -> None:
    # Airflow 2's own base classes have loaded `requests` already.
    heavy = "requests" if AIRFLOW.major > 2 else "boto3"
    assert heavy in measure(CASES["amazon: S3 operators"], dict(os.environ))["heavy"]
