"""A storyboard in one task, for the tests that kill what runs it."""

from __future__ import annotations

import os
from datetime import timedelta

from kling_airflow.airflow_compat import DAG
from kling_airflow.operators.storyboard import KlingStoryboardOperator

FOLDER = os.environ["WORLD_FOLDER"]

with DAG(dag_id="shots", schedule=None, catchup=False, params={"in_flight": 20}) as shots:
    KlingStoryboardOperator(
        task_id="clips",
        storyboard=f"file://{FOLDER}/boards/{{{{ run_id }}}}.json",
        destination=f"file://{FOLDER}/clips/{{{{ run_id }}}}",
        max_in_flight="{{ params.in_flight }}",
        poll_interval=2,
        land_every=2,
        # Each kill of a worker uses one up.
        retries=99,
        retry_delay=timedelta(seconds=1),
    )
