"""### Still frames into a clip, with Kling v3 on GMI Cloud

Two photographs become the first and the last frame of a clip:

1. `start_frame` and `end_frame` make each picture a frame that the queue takes, and store it in the bucket.
2. `submit` orders the clip. **This is the step that costs money**: $0.168 a second, $0.252 with sound.
   A retry or a clear finds the clip that was paid for instead of buying another.
3. `wait` waits in the triggerer. It holds no worker slot.
4. `land` brings the clip into the bucket, checked, with a poster and a sidecar that says where it came from.

**To run it** you need two connections: `gmi_cloud_default` (type *GMI Cloud*, the API key as its password)
and `aws_default` for the bucket. It runs against the simulator as it runs against the real service: only the
connection's base URL differs.

**To run it again** with the same parameters and buy a second clip, trigger it anew. To get another take
within the same run, raise `take`.
"""

from __future__ import annotations

from typing import Any

from kling_airflow.airflow_compat import DAG, AirflowSkipException, Param  # airflow.sdk, on any Airflow
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

# What the form takes. The worker confines addresses as well: docs/security.md.
ADDRESS = r"^((s3|gs|https|file)://[^\s@/]*/\S+|abfs://\S+)$"
BUCKET = r"^((s3|gs)://[^\s@/]+|file:///|abfs://)\S*$"


def skip_without_end_frame(context: Any) -> None:
    """An end frame is optional: without one, the clip ends as the prompt wants."""
    if not context["params"]["end_frame"]:
        raise AirflowSkipException("No end frame was asked for.")


with DAG(
    dag_id="kling_image_to_video",
    schedule=None,
    catchup=False,
    doc_md=__doc__,
    tags=["kling", "gmi_cloud", "example"],
    params={
        "start_frame": Param(
            "s3://stills/rocket.jpg",
            type="string",
            pattern=ADDRESS,
            title="Start frame",
            description="An object in a store, or an https URL.",
        ),
        "end_frame": Param(
            "s3://stills/hubble_deep_field.jpg",
            type=["string", "null"],
            pattern=rf"^$|{ADDRESS}",
            title="End frame",
            description="An object in a store, or an https URL; empty for none.",
        ),
        "prompt": Param(
            "The rocket rises through the clouds until the sky turns black and fills with galaxies.",
            type="string",
            format="multiline",
            minLength=1,
            maxLength=2500,
            title="Prompt",
            description="What happens in the clip; up to 2500 characters.",
        ),
        "negative_prompt": Param(
            None,
            type=["string", "null"],
            format="multiline",
            maxLength=2500,
            title="Negative prompt",
            description="What to keep out; empty for nothing.",
        ),
        "duration": Param(
            5,
            type="integer",
            minimum=3,
            maximum=15,
            title="Duration",
            description="Seconds, 3 to 15. Each costs $0.168, with sound $0.252.",
        ),
        "sound": Param(True, type="boolean", title="Sound", description="Whether the clip gets sound."),
        "aspect_ratio": Param(
            "16:9",
            type="string",
            enum=["16:9", "9:16", "1:1", "source"],
            title="Aspect ratio",
            description="Of the clip: the frames are cropped to it. `source` keeps the picture's own.",
        ),
        "bucket": Param(
            "s3://clips",
            type="string",
            pattern=BUCKET,
            title="Bucket",
            description="Frames and clips go here.",
        ),
        "max_cost_usd": Param(
            3.78,
            type="number",
            exclusiveMinimum=0,
            title="Maximum cost",
            description="US dollars; a clip that costs more is refused. 15 s with sound cost $3.78.",
        ),
        "take": Param(
            1,
            type="integer",
            minimum=1,
            title="Take",
            description="2 buys another clip of the same order in the same run, 3 a third one.",
        ),
    },
) as dag:
    start_frame = PrepareFrameOperator(
        task_id="start_frame",
        source="{{ params.start_frame }}",
        destination="{{ params.bucket }}/{{ run_id }}/start.jpg",
        aspect_ratio="{{ params.aspect_ratio }}",
    )
    end_frame = PrepareFrameOperator(
        task_id="end_frame",
        source="{{ params.end_frame }}",
        destination="{{ params.bucket }}/{{ run_id }}/end.jpg",
        aspect_ratio="{{ params.aspect_ratio }}",
        pre_execute=skip_without_end_frame,
    )
    submit = KlingImageToVideoOperator(
        task_id="submit",
        image=start_frame.output["uri"],
        image_tail="{{ (ti.xcom_pull(task_ids='end_frame') or {}).get('uri', '') }}",
        prompt="{{ params.prompt }}",
        negative_prompt="{{ params.negative_prompt or '' }}",
        duration="{{ params.duration }}",
        sound="{{ params.sound }}",
        max_cost_usd="{{ params.max_cost_usd }}",
        take="{{ params.take }}",
        trigger_rule="none_failed",
    )
    wait = GMICloudRequestSensor(task_id="wait", request_id=submit.output)
    land = ClipToObjectStorageOperator(
        task_id="land",
        clip=wait.output,
        destination="{{ params.bucket }}/{{ run_id }}/clip.mp4",
        frames=[start_frame.output, end_frame.output],
        prompt="{{ params.prompt }}",
        trigger_rule="none_failed",
    )
    end_frame >> submit
