"""What each cell runs in a real scheduler and triggerer; written as any version of Airflow reads it."""

from __future__ import annotations

import os
from datetime import timedelta

from airflow import DAG

from kling_airflow.airflow_compat import task
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

FOLDER = os.environ["MATRIX_FOLDER"]
ORDER = {
    "image": f"file://{FOLDER}/frame.png",
    "duration": 3,
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}

with DAG(dag_id="matrix_split", schedule=None, catchup=False) as split:
    submit = KlingImageToVideoOperator(task_id="generate", prompt="{{ run_id }}", **ORDER)
    wait = GMICloudRequestSensor(
        task_id="wait", request_id=submit.output, poke_interval=1, retries=2, retry_delay=timedelta(seconds=1)
    )
    ClipToObjectStorageOperator(
        task_id="land", clip=wait.output, destination=f"file://{FOLDER}/clips/{{{{ run_id }}}}.mp4"
    )

with DAG(dag_id="matrix_whole", schedule=None, catchup=False) as whole:
    generate = KlingImageToVideoOperator(
        task_id="generate", prompt="{{ run_id }}", wait_for_completion=True, poll_interval=1, **ORDER
    )
    ClipToObjectStorageOperator(
        task_id="land", clip=generate.output, destination=f"file://{FOLDER}/clips/{{{{ run_id }}}}.mp4"
    )

with DAG(dag_id="matrix_mapped", schedule=None, catchup=False) as mapped:

    @task
    def rows() -> list[dict[str, str]]:
        """Return a row of data, as a customer may write it."""
        return [{"prompt": "Rise, {{ run_id }}."}]

    KlingImageToVideoOperator.partial(
        task_id="generate", wait_for_completion=True, poll_interval=1, **ORDER
    ).expand_kwargs(rows())

with DAG(dag_id="matrix_on_worker", schedule=None, catchup=False) as on_worker:
    KlingImageToVideoOperator(
        task_id="generate",
        prompt="{{ run_id }}",
        wait_for_completion=True,
        deferrable=False,
        poll_interval=1,
        **ORDER,
    )
