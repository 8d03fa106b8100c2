"""### The same character in two clips, with Kling v3 Omni on GMI Cloud

1. `front` and `side` make two pictures of a character frames that the queue takes.
2. `hero` makes an **element** of the two pictures, once. Its result holds the `element_id`.
3. `wakes` and `runs` buy a clip each, of the same element: the prompts name the element `<<<element_1>>>`.
   **These are the steps that cost money**: $0.112 a second in mode `pro`, $0.084 in `std`.
   `runs` is made of two shots.
4. `land_wakes` and `land_runs` bring the clips into the bucket.

A retry or a clear of `hero` finds the element that was made, and a retry or a clear of a clip finds the clip
that was paid for. `max_cost_usd` is a limit for each clip.
"""

from __future__ import annotations

from kling_airflow.airflow_compat import DAG, Param  # airflow.sdk, on any Airflow
from kling_airflow.operators.create_element import KlingCreateElementOperator
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.omni import KlingOmniOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

# What the form takes. The worker confines addresses as well: docs/security.md.
ADDRESS = r"^((s3|gs|https|file)://[^\s@/]*/\S+|abfs://\S+)$"
BUCKET = r"^((s3|gs)://[^\s@/]+|file:///|abfs://)\S*$"
FOLDER = "{{ params.bucket }}/{{ run_id }}"

with DAG(
    dag_id="kling_elements",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["kling", "gmi_cloud", "example"],
    params={
        "front": Param(
            "s3://stills/hero_front.jpg",
            type="string",
            pattern=ADDRESS,
            title="From the front",
            description="An object in a store, or an https URL.",
        ),
        "side": Param(
            "s3://stills/hero_side.jpg",
            type="string",
            pattern=ADDRESS,
            title="From the side",
            description="The same.",
        ),
        "name": Param(
            "hero",
            type="string",
            minLength=1,
            maxLength=20,
            title="Name",
            description="Of the element, in the queue.",
        ),
        "description": Param(
            "A pilot in a red suit.",
            type="string",
            minLength=1,
            maxLength=100,
            title="Description",
            description="What the queue is told of the element; up to 100 characters.",
        ),
        "mode": Param(
            "pro", type="string", enum=["pro", "std"], title="Mode", description="pro is 1080p, std is 720p."
        ),
        "bucket": Param(
            "s3://clips", type="string", pattern=BUCKET, title="Bucket", description="The clips go here."
        ),
        "max_cost_usd": Param(
            0.56,
            type="number",
            exclusiveMinimum=0,
            title="Maximum cost of a clip",
            description="US dollars; 5 s at 1080p cost $0.56.",
        ),
    },
) as dag:
    front = PrepareFrameOperator(
        task_id="front", source="{{ params.front }}", destination=f"{FOLDER}/front.jpg", aspect_ratio="1:1"
    )
    side = PrepareFrameOperator(
        task_id="side", source="{{ params.side }}", destination=f"{FOLDER}/side.jpg", aspect_ratio="1:1"
    )
    hero = KlingCreateElementOperator(
        task_id="hero",
        element_name="{{ params.name }}",
        element_description="{{ params.description }}",
        frontal_image=front.output,
        refer_images=[side.output],
    )
    wakes = KlingOmniOperator(
        task_id="wakes",
        prompt="<<<element_1>>> wakes up on a launch pad at dawn.",
        elements=[hero.output],
        mode="{{ params.mode }}",
        duration=5,
        aspect_ratio="16:9",
        max_cost_usd="{{ params.max_cost_usd }}",
        wait_for_completion=True,
    )
    runs = KlingOmniOperator(
        task_id="runs",
        shots=[
            {"prompt": "<<<element_1>>> runs to the rocket.", "duration": 3},
            {"prompt": "Close-up: <<<element_1>>> looks up.", "duration": 2},
        ],
        elements=[hero.output],
        mode="{{ params.mode }}",
        aspect_ratio="16:9",
        max_cost_usd="{{ params.max_cost_usd }}",
        wait_for_completion=True,
    )
    for clip in (wakes, runs):
        ClipToObjectStorageOperator(
            task_id=f"land_{clip.task_id}", clip=clip.output, destination=f"{FOLDER}/{clip.task_id}.mp4"
        )
