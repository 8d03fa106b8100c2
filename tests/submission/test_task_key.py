from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.submission.task_key import TaskKey, slug

anything = st.text(max_size=300)
keys = st.builds(TaskKey, anything, anything, anything, st.integers(-1, 9999), st.none() | anything)
shots = st.builds(
    TaskKey, anything, anything, anything, st.integers(-1, 9999), st.none() | anything, st.none() | anything
)
orders = st.tuples(keys | shots, anything, st.integers(1, 99))


@given(orders, orders)
def test_two_orders_share_an_id_only_if_they_are_one(first: Any, second: Any) -> None:
    ids = [key.order(fingerprint, take) for key, fingerprint, take in (first, second)]
    assert (ids[0] == ids[1]) == (first == second)
    assert all(re.fullmatch(r"[0-9a-f]{32}", order) for order in ids)


def test_names_that_run_together_are_told_apart() -> None:
    keys = [
        TaskKey("a", "b/c", "d"),
        TaskKey("a/b", "c", "d"),
        TaskKey("a", "b", "c/d"),
        TaskKey("a", "b/c", "d", 0),
    ]
    assert len({key.order("f", 1) for key in keys}) == 4
    assert len({key.owner("f", 1) for key in keys}) == 4


@given(keys)
def test_the_folder_is_safe_in_every_store(key: TaskKey) -> None:
    parts = key.folder().split("/")
    assert len(parts) == 3
    for part in parts:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", part)
        assert not part.startswith(".")


@given(shots)
def test_the_folder_of_a_shot_is_safe_in_every_store(key: TaskKey) -> None:
    for part in key.folder().split("/"):
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,130}", part)
        assert not part.startswith(".")


def test_each_shot_of_a_task_is_a_task_of_its_own() -> None:
    whole = TaskKey("d", "r", "film", 7, "1")
    first, second = (TaskKey("d", "r", "film", 7, "1", f"launch.{take}") for take in (1, 2))
    assert len({key.order("f", 1) for key in (whole, first, second)}) == 3
    assert len({key.folder() for key in (whole, first, second)}) == 3
    assert first.task == "film[7] (loop 1) shot launch.1"
    assert first.folder() == "d/r/film.7.loop-1.shot-launch_1"
    assert TaskKey("d", "r", "film", -1, "launch").order("f", 1) != TaskKey(
        "d", "r", "film", -1, None, "launch"
    ).order("f", 1)


def test_people_recognize_their_task() -> None:
    key = TaskKey("kling_image_to_video", "manual__2026-11-23T05:00:00+00:00", "clips.submit", 7)
    assert key.folder() == "kling_image_to_video/manual__2026-11-23T05_00_00_00_00/clips_submit.7"
    assert key.task == "clips.submit[7]"
    assert TaskKey("d", "r", "submit").task == "submit"
    assert TaskKey("d", "r", "submit").folder() == "d/r/submit"
    assert slug("☃") == "_"


def test_each_iteration_of_a_loop_is_a_task_of_its_own() -> None:
    """Airflow 3.4 runs one task instance for every iteration."""
    outside = TaskKey("d", "r", "submit", 7)
    first, second = (TaskKey("d", "r", "submit", 7, f"refine/{iteration}") for iteration in (1, 2))
    assert len({key.order("f", 1) for key in (outside, first, second)}) == 3
    assert len({key.folder() for key in (outside, first, second)}) == 3
    assert first.task == "submit[7] (loop refine/1)"
    assert first.folder() == "d/r/submit.7.loop-refine_1"


def test_the_id_of_an_order_outside_loops_never_changes() -> None:
    """It is in the ledgers, and in the frames of requests, of every release."""
    assert TaskKey("d", "r", "submit").order("f" * 64, 1) == "0ab5605ad73f5c35f6e15dc8f49dfec8"
    assert TaskKey("d", "r", "submit", 7).order("f" * 64, 2) == "3af01236be2b6127b9ed112acb62c5fe"
    assert "loop" not in TaskKey("d", "r", "submit").to_json()


@given(keys | shots)
def test_a_task_key_is_read_as_it_was_written(key: TaskKey) -> None:
    assert TaskKey.read(json.loads(json.dumps(key.to_json()))) == key


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"dag_id": "d", "run_id": "r", "task_id": "t"},
        TaskKey("d", "r", "t").to_json() | {"x": 1},
    ]
    + [TaskKey("d", "r", "t").to_json() | {"map_index": bad} for bad in (True, "1", None)],
)
def test_anything_else_is_no_task_key(data: Any) -> None:
    with pytest.raises(ValueError, match=r"task|map_index"):
        TaskKey.read(data)
