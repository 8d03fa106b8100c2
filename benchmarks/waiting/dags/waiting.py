"""The DAGs of ``bench_triggerer``: one mapped sensor that waits for every request of a file, in each way."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kling_airflow.airflow_compat import DAG
from kling_airflow.sensors.request import GMICloudRequestSensor

ASKED = json.loads(Path(os.environ["BENCH_REQUESTS"]).read_text())

WAYS = {
    "deferred": {"deferrable": True},
    "killed": {"deferrable": True},
    "rescheduled": {"deferrable": False, "mode": "reschedule"},
}

for name, options in WAYS.items():
    with DAG(dag_id=name, schedule=None, catchup=False, max_active_tasks=2000) as dag:
        GMICloudRequestSensor.partial(
            task_id="wait", model=ASKED["model"], poke_interval=ASKED["interval"], timeout=7200, **options
        ).expand(request_id=ASKED[name])
    globals()[name] = dag
