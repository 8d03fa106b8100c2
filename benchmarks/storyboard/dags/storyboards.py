"""The same shots in one task, as a mapped group of two tasks, and as people write it without this package."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from airflow.providers.http.operators.http import HttpOperator
from airflow.providers.http.sensors.http import HttpSensor
from airflow.sdk import DAG, task, task_group

from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

FRAME, FRAME_URL, OUT = os.environ["BENCH_FRAME"], os.environ["BENCH_FRAME_URL"], os.environ["BENCH_OUT"]
REQUESTS = "/api/v1/ie/requestqueue/apikey/requests"
LOOK_EVERY = 10
"""Seconds between two looks at a request, in each way."""


def shots_of(count: int) -> list[dict[str, Any]]:
    """Return so many shots, each another order."""
    return [
        {"name": f"s{number}", "frame": FRAME, "prompt": f"Rise {number}.", "duration": 3}
        for number in range(count)
    ]


def storyboard(count: int) -> None:
    """Buy and land all shots in one task."""
    KlingStoryboardOperator(
        task_id="clips",
        storyboard=shots_of(count),
        destination=f"{OUT}/storyboard-{count}",
        max_in_flight=count,
        poll_interval=LOOK_EVERY,
    )


def mapped(count: int) -> None:
    """Buy and land each shot in two tasks of its own."""

    @task_group
    def shot(name: str, prompt: str) -> None:
        """One clip."""
        clip = KlingImageToVideoOperator(
            task_id="clip",
            image=FRAME,
            prompt=prompt,
            label=name,
            duration=3,
            wait_for_completion=True,
            poll_interval=LOOK_EVERY,
        )
        ClipToObjectStorageOperator(
            task_id="land",
            clip=clip.output,
            destination=f"{OUT}/mapped-{count}/{{{{ task.clip.label }}}}.mp4",
        )

    shot.expand_kwargs([{"name": each["name"], "prompt": each["prompt"]} for each in shots_of(count)])


def http(count: int) -> None:
    """Buy each shot with the HTTP provider: a POST that is never repeated, a sensor, a download.

    The frame is uploaded once before the run. ``HttpSensor`` takes no ``response_check`` while it is
    deferred, so the sensor gives its slot back between two looks (``mode="reschedule"``).
    """

    @task_group
    def shot(body: str) -> None:
        """One clip."""
        submit = HttpOperator(
            task_id="submit",
            http_conn_id="queue_http",
            endpoint=REQUESTS,
            data=body,
            response_filter=lambda response: response.json()["request_id"],
            extra_options={"timeout": 60},
            retries=0,
        )
        wait = HttpSensor(
            task_id="wait",
            http_conn_id="queue_http",
            method="GET",
            endpoint=REQUESTS + "/{{ ti.xcom_pull(task_ids='shot.submit', map_indexes=ti.map_index) }}",
            response_check=finished,
            extra_options={"timeout": 60},
            mode="reschedule",
            poke_interval=LOOK_EVERY,
            timeout=7200,
        )

        @task(retries=3)
        def land(submitted: str) -> str:
            """Download the clip."""
            import requests
            from airflow.sdk import BaseHook

            queue = BaseHook.get_connection("queue_http")
            record = requests.get(
                f"{queue.host}{REQUESTS}/{submitted}", headers=queue.extra_dejson, timeout=60
            ).json()
            answer = requests.get(record["outcome"]["media_urls"][0]["url"], timeout=60)
            answer.raise_for_status()
            file = Path(OUT.removeprefix("file://")) / f"http-{count}" / f"{submitted}.mp4"
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(answer.content)
            return str(file)

        wait >> land(submit.output)

    shot.expand(body=[json.dumps(submission(each)) for each in shots_of(count)])


def submission(shot: dict[str, Any]) -> dict[str, Any]:
    """Return the POST's body of a shot."""
    payload = {"prompt": shot["prompt"], "image": FRAME_URL, "duration": str(shot["duration"])}
    return {"model": "kling-v3-image-to-video", "payload": payload}


def finished(response: Any) -> bool:
    """Say whether the clip is there; a failed request fails the sensor."""
    request = response.json()
    if request["status"] == "failed":
        raise RuntimeError(f"failed: {request['outcome']}")
    return bool(request["status"] == "success")


for shots in map(int, os.environ["BENCH_SHOTS"].split()):
    for way in (storyboard, mapped, http):
        with DAG(dag_id=f"{way.__name__}-{shots}", schedule=None, max_active_tasks=2000) as dag:
            way(shots)
        globals()[dag.dag_id] = dag
