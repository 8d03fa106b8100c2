"""Mapped tasks whose map indexes would write to one place are refused when the DAG is parsed."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.exceptions import InvalidArgument
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.task.mapping import is_one_place
from tests.airflow_versions import DAG, ObjectStoragePath, task, task_group

PICTURES = ["s3://stills/a.png", "s3://stills/b.png"]
SAME = ("s3://frames/start.png", "file:///frames/start.png")
"""A place that is the same because of its templates is judged when the task runs."""
DIFFERENT = (
    "s3://frames/{{ ti.map_index }}.png",
    "s3://frames/{{ task_instance.map_index }}.png",
    "s3://frames/{{ run_id }}/{{ '%03d' % ti.map_index }}.png",
    "s3://frames/{{ task.source.rpartition('/')[2] }}",
    "s3://frames/{{ macros.uuid.uuid4() }}.png",
    "s3://frames/{{ name_of(ti) }}.png",
    "s3://frames/{{ ti.xcom_pull('names')[ti.map_index] }}.png",
    "s3://frames/{{ ti['map_index'] }}.png",
)


@pytest.fixture(autouse=True)
def dag() -> Any:
    with DAG("mapped", schedule=None) as made, warnings.catch_warnings():
        warnings.simplefilter("error")
        yield made


def partial(destination: Any) -> Any:
    return PrepareFrameOperator.partial(task_id="frames", destination=destination)


@task
def pictures() -> list[str]:
    return PICTURES


@pytest.mark.parametrize("destination", SAME)
def test_one_place_for_all_is_refused(destination: str) -> None:
    with pytest.raises(InvalidArgument, match=r"overwrite one another.*ti\.map_index") as refused:
        partial(destination).expand(source=PICTURES)
    assert destination in str(refused.value)
    for mapped in (pictures(), pictures().map(str)):
        with pytest.raises(InvalidArgument, match="overwrite"):
            partial(destination).expand(source=mapped)
    for rows in (
        [{"source": picture} for picture in PICTURES],
        pictures().map(lambda name: {"source": name}),
    ):
        with pytest.raises(InvalidArgument, match="overwrite"):
            partial(destination).expand_kwargs(rows)


@pytest.mark.parametrize("destination", DIFFERENT)
def test_a_place_for_each_is_allowed(destination: str) -> None:
    assert partial(destination).expand(source=PICTURES).task_id == "frames"


def test_other_ways_to_name_one_place() -> None:
    with warnings.catch_warnings():  # of the path library that Airflow 2.11 to 3.1 have
        warnings.simplefilter("ignore")
        place = ObjectStoragePath("s3://frames") / "start.png"
    with pytest.raises(InvalidArgument, match="overwrite"):
        partial(place).expand(source=PICTURES)


def test_mapped_params_differ() -> None:
    partial("s3://frames/{{ params.shot }}.png").expand(
        params=[{"shot": 1}, {"shot": 2}], source=PICTURES[:1]
    )


def test_a_place_in_the_rows_is_allowed() -> None:
    rows = [{"source": name, "destination": f"s3://frames/{n}.png"} for n, name in enumerate(PICTURES)]
    PrepareFrameOperator.partial(task_id="frames").expand_kwargs(rows)


def test_a_place_that_two_rows_name_is_refused() -> None:
    rows = [{"source": name, "destination": "s3://frames/start.png"} for name in PICTURES]
    with pytest.raises(InvalidArgument, match="overwrite"):
        PrepareFrameOperator.partial(task_id="frames").expand_kwargs(rows)
    with pytest.raises(InvalidArgument, match="overwrite"):
        PrepareFrameOperator.partial(task_id="frames", source=PICTURES[0]).expand(
            destination=["s3://frames/start.png"] * 2
        )


def test_expand_makes_combinations() -> None:
    with pytest.raises(InvalidArgument, match="every combination"):
        PrepareFrameOperator.partial(task_id="frames").expand(
            source=PICTURES, destination=["s3://frames/a.png", "s3://frames/b.png"]
        )


@pytest.mark.parametrize("destination", SAME)
def test_a_mapped_group_has_one_place_for_all(destination: str) -> None:
    @task_group
    def shot(source: str) -> None:
        PrepareFrameOperator(task_id="frame", source=source, destination=destination)

    with pytest.raises(InvalidArgument, match="overwrite"):
        shot.expand(source=PICTURES)


@pytest.mark.parametrize("destination", DIFFERENT)
def test_a_mapped_group_with_a_place_for_each(destination: str) -> None:
    @task_group
    def shot(source: str) -> None:
        PrepareFrameOperator(task_id="frame", source=source, destination=destination)

    shot.expand(source=PICTURES)


def test_a_task_that_is_not_mapped_may_name_one_place() -> None:
    PrepareFrameOperator(task_id="frame", source=PICTURES[0], destination=SAME[0])


@given(text=st.text())
def test_any_text_without_marks_is_one_place(text: str) -> None:
    assert is_one_place(text.replace("{", ""))
    assert not is_one_place(text + "{{ ti.map_index }}")
