"""Clips on a cluster without a common disk: each task says on which worker it runs."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import task_group

from kling_airflow.airflow_compat import DAG
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

BUCKET = "s3://cluster"
COUNT = int(os.environ.get("CLUSTER_CLIPS", "4"))
# Enough for every kill: what is compared is what the tries buy, not how many there are.
PATIENT: dict[str, Any] = {"retries": 500, "retry_delay": timedelta(seconds=5)}
MANY: dict[str, Any] = {"schedule": None, "catchup": False, "default_args": PATIENT}

with DAG("relay", **MANY, params={"prompt": "The rocket lifts off."}) as relay:
    start = PrepareFrameOperator(
        task_id="frame",
        source=f"{BUCKET}/stills/rocket.png",
        destination=f"{BUCKET}/frames/{{{{ run_id }}}}.png",
        aspect_ratio="16:9",
        queue="worker-a",
    )
    submit = KlingImageToVideoOperator(
        task_id="generate",
        image=start.output["uri"],
        prompt="{{ params.prompt }}",
        duration=3,
        queue="worker-b",
    )
    wait = GMICloudRequestSensor(task_id="wait", request_id=submit.output, poll_interval=2, queue="worker-a")
    ClipToObjectStorageOperator(
        task_id="land",
        clip=wait.output,
        destination=f"{BUCKET}/clips/{{{{ run_id }}}}.mp4",
        queue="worker-b",
    )

with DAG("clips", **MANY, max_active_tasks=1000) as clips:

    @task_group
    def clip(prompt: str) -> None:
        """One clip: ordered, waited for, landed."""
        generate = KlingImageToVideoOperator(
            task_id="generate",
            image=f"{BUCKET}/stills/rocket.png",
            prompt=prompt,
            duration=3,
            wait_for_completion=True,
            poll_interval=5,
        )
        ClipToObjectStorageOperator(
            task_id="land",
            clip=generate.output,
            destination=f"{BUCKET}/clips/{{{{ run_id }}}}/{{{{ ti.map_index }}}}.mp4",
        )

    clip.expand(prompt=[f"clip {number}: the rocket rises" for number in range(COUNT)])

with DAG("board", **MANY, params={"in_flight": 40}) as board:
    KlingStoryboardOperator(
        task_id="clips",
        storyboard=f"{BUCKET}/boards/{{{{ run_id }}}}.json",
        destination=f"{BUCKET}/clips/{{{{ run_id }}}}",
        max_in_flight="{{ params.in_flight }}",
        poll_interval=2,
        land_every=2,
        priority_weight=1000,  # one task among hundreds of the DAG `clips`
    )
