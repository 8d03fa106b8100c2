"""The same order of so many clips, placed twice: with this package, and as people do it without."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG, task, task_group
from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.http.sensors.http import HttpSensor

from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

FOLDER = Path(os.environ["WORLD_FOLDER"])
FRAME_URL = os.environ["WORLD_FRAME_URL"]
COUNT = int(os.environ["CHAOS_GENERATIONS"])
REQUESTS = "/api/v1/ie/requestqueue/apikey/requests"
# Enough for every kill: what is compared is what the tries buy, not how many there are.
PATIENT: dict[str, Any] = {"retries": 50, "retry_delay": timedelta(seconds=5)}


def prompts(whose: str) -> list[str]:
    """Return what is ordered; every clip is another order."""
    return [f"{whose} {number}: the rocket rises" for number in range(COUNT)]


with DAG("ours", schedule=None, catchup=False, max_active_tasks=COUNT, default_args=PATIENT) as ours:

    @task_group
    def clip(prompt: str) -> None:
        """One clip: ordered, waited for, landed."""
        generate = KlingImageToVideoOperator(
            task_id="generate",
            image=f"file://{FOLDER}/frame.png",
            prompt=prompt,
            duration=3,
            wait_for_completion=True,
            poll_interval=5,
        )
        ClipToObjectStorageOperator(
            task_id="land",
            clip=generate.output,
            destination=f"file://{FOLDER}/clips/ours-{{{{ ti.map_index }}}}.mp4",
        )

    clip.expand(prompt=prompts("ours"))


def request_id(response: Any) -> str:
    """Read the answer to a submission."""
    return str(response.json()["request_id"])


def finished(response: Any) -> bool:
    """Say whether the clip is there; a failed request fails the sensor."""
    request = response.json()
    if request["status"] == "failed":
        raise RuntimeError(f"failed: {request['outcome']}")
    return bool(request["status"] == "success")


with DAG("peer", schedule=None, catchup=False, max_active_tasks=4, default_args=PATIENT) as peer:

    @task_group
    def ordinary(body: str) -> None:
        """The same with the HTTP provider: a POST that is retried, a sensor, a download."""
        submit = HttpOperator(
            task_id="submit",
            http_conn_id="queue_http",
            endpoint=REQUESTS,
            data=body,
            response_filter=request_id,
            extra_options={"timeout": 60},
        )
        wait = HttpSensor(
            task_id="wait",
            http_conn_id="queue_http",
            endpoint=REQUESTS + "/{{ ti.xcom_pull(task_ids='ordinary.submit', map_indexes=ti.map_index) }}",
            response_check=finished,
            extra_options={"timeout": 60},
            mode="reschedule",
            poke_interval=30,
            timeout=600,  # a clip takes less than a minute here
            retries=3,
        )

        @task(retries=50)
        def land(submitted: str) -> str:
            """Download the clip."""
            import requests
            from airflow.sdk import BaseHook

            queue = BaseHook.get_connection("queue_http")
            url = f"{queue.host}{REQUESTS}/{submitted}"
            record = requests.get(url, headers=queue.extra_dejson, timeout=60).json()
            answer = requests.get(record["outcome"]["media_urls"][0]["url"], timeout=60)
            answer.raise_for_status()
            file = FOLDER / "clips" / f"peer-{submitted}.mp4"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(answer.content)
            return submitted

        wait >> land(submit.output)

    ordinary.expand(
        body=[
            json.dumps(
                {
                    "model": "kling-v3-image-to-video",
                    "payload": {"prompt": prompt, "image": FRAME_URL, "duration": "3"},
                }
            )
            for prompt in prompts("peer")
        ]
    )
