"""What importing our modules costs a DAG's parse, beside peers, above what every DAG imports anyway."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks._table import publish

ROUNDS = 7
AIM_MS = 60.0
HEAVY = (
    "PIL",
    "av",
    "aiohttp",
    "requests",
    "numpy",
    "boto3",
    "botocore",
    "httpx",
    "kling_airflow.payloads",
)
CASES = {
    "kling_airflow operators": ("kling_airflow.operators.frames", "kling_airflow.operators.image_to_video"),
    "kling_airflow sensor": ("kling_airflow.sensors.request",),
    "kling_airflow transfer": ("kling_airflow.transfers.clip_to_storage",),
    "kling_airflow, all of it": (
        "kling_airflow.operators.frames",
        "kling_airflow.operators.image_to_video",
        "kling_airflow.sensors.request",
        "kling_airflow.transfers.clip_to_storage",
    ),
    "amazon: S3 operators": ("airflow.providers.amazon.aws.operators.s3",),
    "amazon: S3 operators, sensor, transfer": (
        "airflow.providers.amazon.aws.operators.s3",
        "airflow.providers.amazon.aws.sensors.s3",
        "airflow.providers.amazon.aws.transfers.http_to_s3",
    ),
    "http: operator, sensor": (
        "airflow.providers.http.operators.http",
        "airflow.providers.http.sensors.http",
    ),
}
# The base classes a DAG file with any operator and any sensor has loaded already.
PROBE = """
import json, sys, time
try:
    from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, ObjectStoragePath, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task
    from airflow.io.path import ObjectStoragePath
    from airflow.models.baseoperator import BaseOperator
try:
    from airflow.providers.common.compat.sdk import (
        AirflowException, AirflowFailException, AirflowSensorTimeout, BaseHook, BaseOperatorLink,
        BaseSensorOperator, PokeReturnValue, XCom,
    )
except ImportError:  # common-compat before 1.12
    from kling_airflow.airflow_compat import (
        AirflowException, AirflowFailException, AirflowSensorTimeout, BaseHook, BaseOperatorLink,
        BaseSensorOperator, PokeReturnValue, XCom,
    )
from airflow.triggers.base import BaseTrigger, TriggerEvent
import kling_airflow  # Airflow 3.2 and later have, for its entry points
heavy, modules = json.loads(sys.argv[1]), json.loads(sys.argv[2])
before = set(sys.modules)
started, cpu_before = time.perf_counter(), time.process_time()
for module in modules:
    __import__(module)
seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_before
new = set(sys.modules) - before
print(json.dumps({
    "ms": seconds * 1000, "cpu_ms": cpu * 1000, "modules": len(new),
    "heavy": [name for name in heavy if name in new],
    "there": [name for name in heavy if name in before],
}))
"""


def measure(modules: tuple[str, ...], environment: dict[str, str]) -> dict[str, Any]:
    """Import the modules in a fresh interpreter; return wall and CPU milliseconds and what is new."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(HEAVY), json.dumps(modules)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{', '.join(modules)}: {done.stderr.strip().splitlines()[-1]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Measure every case, interleaved so that a busy moment hits all of them."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        runs: dict[str, list[dict[str, Any]]] = {case: [] for case in CASES}
        for round_number in range(ROUNDS + 1):
            for case, modules in CASES.items():
                result = measure(modules, environment)
                if round_number:  # the first one fills the file cache and writes .pyc files
                    runs[case].append(result)
    rows = [
        [
            case,
            statistics.median(run["ms"] for run in results),
            min(run["ms"] for run in results),
            results[0]["modules"],
            ", ".join(results[0]["heavy"]) or "none",
        ]
        for case, results in runs.items()
    ]
    there = runs["kling_airflow, all of it"][0]["there"]
    ours = next(row[1] for row in rows if row[0] == "kling_airflow, all of it")
    publish(
        "dag_parse",
        "Import at DAG parse, ms above airflow.sdk and the base classes",
        ["import", "median ms", "best ms", "new modules", "heavy among them"],
        rows,
        notes=[
            f"Median of {ROUNDS} fresh interpreters each, interleaved.",
            f"Loaded before by Airflow itself: {', '.join(there) or 'none'}.",
            f"Aim: under {AIM_MS:.0f} ms for all of kling_airflow; it is {ours:.1f} ms.",
        ],
    )


if __name__ == "__main__":
    main()
