from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.submission.task_key import TaskKey, slug

anything = st.text(max_size=300)
scopes = st.builds(TaskKey, anything, anything, anything, st.integers(-1, 9999))
orders = st.tuples(scopes, anything, st.integers(1, 99))


@given(orders, orders)
def test_two_orders_share_an_id_only_if_they_are_one(one: Any, other: Any) -> None:
    ids = [scope.order(fingerprint, take) for scope, fingerprint, take in (one, other)]
    assert (ids[0] == ids[1]) == (one == other)
    assert all(re.fullmatch(r"[0-9a-f]{32}", order) for order in ids)


def test_names_that_run_together_are_told_apart() -> None:
    scopes = [
        TaskKey("a", "b/c", "d"),
        TaskKey("a/b", "c", "d"),
        TaskKey("a", "b", "c/d"),
        TaskKey("a", "b/c", "d", 0),
    ]
    assert len({scope.order("f", 1) for scope in scopes}) == 4
    assert len({scope.owner("f", 1) for scope in scopes}) == 4


@given(scopes)
def test_the_folder_is_safe_in_every_store(scope: TaskKey) -> None:
    parts = scope.folder().split("/")
    assert len(parts) == 3
    for part in parts:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,80}", part)
        assert not part.startswith(".")


def test_people_recognize_their_task() -> None:
    scope = TaskKey("kling_image_to_video", "manual__2026-11-23T05:00:00+00:00", "clips.submit", 7)
    assert scope.folder() == "kling_image_to_video/manual__2026-11-23T05_00_00_00_00/clips_submit.7"
    assert scope.task == "clips.submit[7]"
    assert TaskKey("d", "r", "submit").task == "submit"
    assert TaskKey("d", "r", "submit").folder() == "d/r/submit"
    assert slug("☃") == "_"


@given(scopes)
def test_a_scope_is_read_as_it_was_written(scope: TaskKey) -> None:
    assert TaskKey.read(json.loads(json.dumps(scope.to_json()))) == scope


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
def test_anything_else_is_no_scope(data: Any) -> None:
    with pytest.raises(ValueError, match=r"task|map_index"):
        TaskKey.read(data)
