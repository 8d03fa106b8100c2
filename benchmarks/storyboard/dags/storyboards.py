"""The same shots in one task, and in a mapped group of two tasks for each shot."""

from __future__ import annotations

import os
from typing import Any

from airflow.sdk import DAG, task_group

from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

FRAME, OUT = os.environ["BENCH_FRAME"], os.environ["BENCH_OUT"]
SHOTS: list[dict[str, Any]] = [
    {"name": f"s{number}", "frame": FRAME, "prompt": f"Rise {number}.", "duration": 3}
    for number in range(int(os.environ["BENCH_SHOTS"]))
]

with DAG(dag_id="storyboard", schedule=None):
    KlingStoryboardOperator(
        task_id="clips", storyboard=SHOTS, destination=f"{OUT}/storyboard", max_in_flight=len(SHOTS)
    )

with DAG(dag_id="mapped", schedule=None):

    @task_group
    def shot(name: str, prompt: str) -> None:
        """One clip."""
        clip = KlingImageToVideoOperator(
            task_id="clip", image=FRAME, prompt=prompt, label=name, duration=3, wait_for_completion=True
        )
        ClipToObjectStorageOperator(
            task_id="land", clip=clip.output, destination=f"{OUT}/mapped/{{{{ task.clip.label }}}}.mp4"
        )

    shot.expand_kwargs([{"name": each["name"], "prompt": each["prompt"]} for each in SHOTS])
