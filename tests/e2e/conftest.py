"""One real Airflow for the tests of this folder, with the simulator and moto's S3 beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.demo.options import END, SPEED, START, dags_folder
from kling_airflow.demo.stack import Stack

DAG_ID = "kling_image_to_video"
RUN_SECONDS = 240


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything up, the DAG known, the two photographs in the bucket."""
    with Stack(tmp_path_factory.mktemp("e2e"), dags=dags_folder(), speed=SPEED) as running:
        running.wait_until_ready(lambda service: None)
        running.airflow.wait_for_dag(DAG_ID)
        running.airflow.api.unpause(DAG_ID)
        for photograph in (START, END):
            running.store.upload(photograph, f"s3://clips/photographs/{photograph.name}")
        yield running


def watch(stack: Stack, run_id: str, look: Callable[[list[dict[str, Any]]], None]) -> str:
    """Hand the run's task instances to ``look`` until the run ends; return how it ended."""
    api = stack.airflow.api
    deadline = time.monotonic() + RUN_SECONDS
    while (state := api.run_state(DAG_ID, run_id)) not in ("success", "failed"):
        stack.require_running()
        assert time.monotonic() < deadline, (
            f"still {state} after {RUN_SECONDS} s: {stack.airflow.service.tail()}"
        )
        look(api.task_instances(DAG_ID, run_id))
        time.sleep(0.2)
    look(api.task_instances(DAG_ID, run_id))
    return state


def log_of(stack: Stack, run_id: str, task_id: str) -> Path:
    """Return the file of a task's first try."""
    (file,) = (stack.airflow.home / "logs").glob(
        f"dag_id={DAG_ID}/run_id={run_id}/task_id={task_id}/attempt=1.log"
    )
    return file
