# --8<-- [start:dag]
from __future__ import annotations

from airflow import DAG

from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.sensors.request import GMICloudRequestSensor

with DAG("rocket", schedule=None, params={"frame": "s3://stills/rocket.jpg"}):
    submit = KlingImageToVideoOperator(
        task_id="submit",
        image="{{ params.frame }}",
        prompt="The rocket lifts off",
        sound=True,
    )
    GMICloudRequestSensor(task_id="wait", request_id=submit.output, poke_interval=1)
# --8<-- [end:dag]
