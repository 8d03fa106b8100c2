"""### Many stills into many clips, each on its own

Each row of `shots` becomes a clip: `frame` makes the picture a frame, `clip` buys the clip and waits for it
in the triggerer, `land` brings it into the bucket under the shot's name. **`clip` is the step that costs
money.**

- The three tasks are a **mapped task group**: a shot that fails stops its own tasks and no other shot's.
- `report` lists which shots have landed, which have failed and why, and what all of it cost. It fails if a
  shot has failed, so that the run isn't green.
- To make good a failed shot, correct its cause and clear that map index of the group, and `report`. The other
  shots are not bought again.
- `max_cost_usd` is a limit for each shot. `pool="kling"` limits the clips that are made at a time:
  `airflow pools set kling 10 "clips at a time" --include-deferred`.
"""

from __future__ import annotations

import logging
from typing import Any

from kling_airflow.airflow_compat import DAG, AirflowFailException, Param, task, task_group  # any Airflow
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

log = logging.getLogger(__name__)

SHOTS = [
    {
        "name": "launch",
        "image": "s3://stills/rocket.jpg",
        "prompt": "The rocket rises through the clouds.",
    },
    {
        "name": "arrival",
        "image": "s3://stills/hubble_deep_field.jpg",
        "prompt": "The camera glides past galaxies.",
    },
]

with DAG(
    dag_id="kling_batch",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["kling", "gmi_cloud", "example"],
    params={
        "shots": Param(
            SHOTS, type="array", title="Shots", description="Each has a name, an image, a prompt."
        ),
        "duration": Param(
            5,
            type="integer",
            minimum=3,
            maximum=15,
            title="Duration",
            description="Seconds of each clip, 3 to 15. Each costs $0.168.",
        ),
        "bucket": Param("s3://clips", type="string", title="Bucket", description="Frames and clips go here."),
        "max_cost_usd": Param(
            1.26,
            type="number",
            exclusiveMinimum=0,
            title="Maximum cost of a clip",
            description="US dollars, for each shot; 5 s cost $0.84.",
        ),
    },
) as dag:

    @task
    def shots(**context: Any) -> list[dict[str, str]]:
        """Read the rows; text in them reaches the queue as it is, and is never rendered as a template."""
        return [
            {"name": row["name"], "image": row["image"], "prompt": row["prompt"]}
            for row in context["params"]["shots"]
        ]

    @task_group
    def shot(name: str, image: str, prompt: str) -> None:
        """One clip, from its picture to the bucket."""
        folder = "{{ params.bucket }}/{{ run_id }}"
        frame = PrepareFrameOperator(
            task_id="frame", source=image, destination=f"{folder}/{{{{ ti.map_index }}}}.jpg"
        )
        clip = KlingImageToVideoOperator(
            task_id="clip",
            image=frame.output,
            prompt=prompt,
            label=name,
            duration="{{ params.duration }}",
            max_cost_usd="{{ params.max_cost_usd }}",
            wait_for_completion=True,
        )
        ClipToObjectStorageOperator(
            task_id="land",
            clip=clip.output,
            destination=f"{folder}/{{{{ task.clip.label }}}}.mp4",
            frames=[frame.output],
            prompt=prompt,
        )

    @task(trigger_rule="all_done")
    def report(rows: Any, **context: Any) -> None:
        """List what has landed, what has failed and why, and what it cost; fail if a shot has failed."""
        clips = {clip["label"]: clip for clip in results(context, "shot.clip")}
        landed = {land["request_id"]: land["uri"] for land in results(context, "shot.land")}
        lines, failed = [], []
        for row in rows:
            clip = clips.get(row["name"], {})
            uri = landed.get(clip.get("request_id"))
            why = clip.get("error") or "its frame or its landing failed; see the log of that task."
            if uri is None:
                failed.append(row["name"])
            lines.append(f"{row['name']}: {uri or f'FAILED: {why}'}")
        cost = sum(clip.get("cost_usd") or 0.0 for clip in clips.values())
        text = "\n".join([*lines, f"{len(rows) - len(failed)} of {len(rows)} landed, for ${cost:.2f}."])
        context["ti"].xcom_push(key="report", value=text)
        log.info("%s", text)
        if failed:
            raise AirflowFailException(f"{len(failed)} of {len(rows)} shots failed: {', '.join(failed)}.")

    def results(context: Any, task_id: str) -> list[dict[str, Any]]:
        """Return what the map indexes of a task returned; a failed `clip` returns its error."""
        found = context["ti"].xcom_pull(task_ids=task_id)
        return [found] if isinstance(found, dict) else list(found or [])

    rows = shots()
    shot.expand_kwargs(rows) >> report(rows)
