"""One destination for all instances of a mapped task is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kling_airflow.errors import InvalidArgument
from kling_airflow.exceptions import InvalidArgument as AirflowInvalidArgument
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.task.mapped_destination import refuse_one_for_all
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

ONE = [
    "s3://clips/x.mp4",
    "s3://clips/{{ run_id }}/x.mp4",
    "s3://clips/{{ ds }}/{{ params.name }}.mp4",
    "{{ params['bucket'] }}/x.mp4",
    "s3://{{ var.value.bucket }}/{{ dag.dag_id }}.mp4",
]
MANY = [
    "s3://clips/{{ ti.map_index }}.mp4",
    "s3://clips/{{ run_id }}/{{ '%03d' % ti.map_index }}.mp4",
    "s3://clips/{{ task_instance.map_index }}.mp4",
    "s3://clips/{{ macros.uuid4() }}.mp4",
    "s3://clips/{{ my_own_macro(ds) }}.mp4",
    "s3://clips/{% if ti.map_index %}a{% endif %}.mp4",
    None,
]


def instance(destination: object) -> Any:
    """An instance of a mapped task, as Airflow makes it."""
    mapped = SimpleNamespace(partial_kwargs={} if destination is None else {"destination": destination})
    dag = SimpleNamespace(task_dict={"land": mapped})
    return SimpleNamespace(_BaseOperator__from_mapped=True, dag=dag, task_id="land")


@pytest.mark.parametrize("destination", ONE)
def test_one_for_all_is_refused_when_it_runs(destination: str) -> None:
    with pytest.raises(InvalidArgument, match="for every instance of a mapped task") as caught:
        refuse_one_for_all(instance(destination))
    assert "{{ ti.map_index }}" in str(caught.value)


@pytest.mark.parametrize("destination", MANY)
def test_what_can_differ_runs(destination: str | None) -> None:
    refuse_one_for_all(instance(destination))


def test_a_task_that_is_not_mapped_runs() -> None:
    refuse_one_for_all(SimpleNamespace(destination="s3://clips/x.mp4"))


@pytest.mark.parametrize("kind", [ClipToObjectStorageOperator, PrepareFrameOperator])
def test_a_literal_is_refused_when_the_dag_is_parsed(kind: Any) -> None:
    with pytest.raises(AirflowInvalidArgument, match=r"is 's3://clips/x\.mp4' for every instance"):
        kind.partial(task_id="x", destination="s3://clips/x.mp4")
    assert kind.partial(task_id="x", destination="s3://clips/{{ run_id }}/x.mp4")
    assert kind.partial(task_id="x")
