"""``mypy --strict`` passes on what the documentation shows, and on what each templated argument takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DAGS = sorted((ROOT / "dags").glob("*.py"))
PAGES = (ROOT / "README.md", ROOT / "docs" / "quickstart.md")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)

EVERY_ARGUMENT = """
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Asset, ObjectStoragePath, task

from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.operators.request import GMICloudRequestOperator
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.taskflow import buy
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

with DAG("typed"):

    @task
    def text() -> str:
        return "rise"

    @task
    def number() -> int:
        return 5

    @task
    def row() -> dict[str, Any]:
        return {}

    @task
    def rows() -> list[dict[str, Any]]:
        return []

    @task
    def bought() -> Any:
        return buy(prompt="rise", duration=5)

    some = row()
    frame = PrepareFrameOperator(
        task_id="frame", source=text(), destination=text(), aspect_ratio=text(), fit=text(), gravity=text(),
        background=text(), short_side=number(), format=text(), quality=number(), max_bytes=number(),
        max_pixels=number(), source_conn_id=text(), destination_conn_id=text(),
    )
    for image in (
        frame.output, frame.output["uri"], text(), "s3://a/b.png", Path("/a.png"), Asset("s3://a/b.png"),
        ObjectStoragePath("s3://a/b.png"), {"uri": "s3://a/b.png"}, "{{ params.image }}",
    ):
        KlingImageToVideoOperator(task_id="image", image=image, image_tail=image, prompt="rise")
    clip = KlingImageToVideoOperator(
        task_id="clip", image=frame.output, prompt=text(), model=text(), image_tail=text(),
        negative_prompt=text(), duration=number(), sound=number(), resolution=text(), max_cost_usd=number(),
        image_delivery=text(), image_conn_id=text(), gmi_conn_id=text(), label=text(), take=number(),
        adopt_request_id=text(), ledger=text(), on_unresolved=text(), timeout=timedelta(hours=1),
        poll_interval="10", execution_timeout=timedelta(hours=2), trigger_rule="none_failed",
    )
    KlingTextToVideoOperator(
        task_id="words", prompt=text(), negative_prompt=text(), duration=timedelta(seconds=5), sound=text(),
        aspect_ratio=text(), max_cost_usd=number(), label=7,
    )
    KlingTextToVideoOperator(task_id="rendered", prompt="{{ params.p }}", duration="{{ params.d }}")
    GMICloudRequestOperator(task_id="any", model=text(), payload=some, max_cost_usd=number())
    GMICloudRequestOperator(task_id="any2", model="m", payload={"prompt": text(), "n": [number()]})
    wait = GMICloudRequestSensor(
        task_id="wait", request_id=clip.output, model=text(), gmi_conn_id=text(), label=text(),
        timeout=timedelta(hours=1), poll_interval=timedelta(seconds=5), deferrable=None, soft_fail=True,
    )
    ClipToObjectStorageOperator(
        task_id="land", clip=wait.output, destination=text(), destination_conn_id=text(), gmi_conn_id=text(),
        duration=number(), sound=text(), frames=[frame.output, None], prompt=text(), poster=text(),
        max_bytes=number(), max_pixels=number(), download_timeout=number(), on_mismatch=text(),
        overwrite=text(), object_options=some,
    )
    ClipToObjectStorageOperator(task_id="land2", clip=[wait.output], destination="s3://a/b.mp4", frames=some)
    ClipToObjectStorageOperator(task_id="land3", clip=bought(), destination="s3://a/c.mp4")
    ClipToObjectStorageOperator.partial(task_id="land4").expand_kwargs(rows())
    frame >> clip >> wait
"""


def test_mypy_strict(tmp_path: Path) -> None:
    files = []
    for page in PAGES:
        for number, block in enumerate(BLOCK.findall(page.read_text())):
            if "Operator" in block:
                files.append(tmp_path / f"{page.stem.lower()}_{number}.py")
                files[-1].write_text(block)
    assert len(files) >= len(PAGES)
    files.append(tmp_path / "every_argument.py")
    files[-1].write_text(EVERY_ARGUMENT)
    command = [
        "--strict",
        "--config-file",
        ROOT / "pyproject.toml",
        "--cache-dir",
        tmp_path / "cache",
        *files,
        *DAGS,
    ]
    done = subprocess.run([sys.executable, "-m", "mypy", *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
