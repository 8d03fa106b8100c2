"""How far shots have come, as Airflow's database carries it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow import errors
from kling_airflow.storyboard import Storyboard
from kling_airflow.task.shot_progress import BoardProgress, Phase, ShotProgress, error_to_json, money_of
from kling_airflow.triggers.storyboard import GMICloudStoryboardTrigger

times = st.none() | st.floats(1e9, 2e9)
progress = st.builds(
    ShotProgress,
    st.text(),
    st.text(),
    st.integers(1, 20),
    st.sampled_from(Phase),
    until=times,
    later_at=times,
    in_doubt=st.none() | st.tuples(st.text(), st.integers(1, 20)).map(list),
    earlier=st.integers(0, 9),
    request_id=st.none() | st.text(min_size=1),
    clip=st.none() | st.just({"request_id": "r"}),
    cost_usd=st.none() | st.floats(0.1, 9),
)


@given(progress)
def test_it_is_read_as_it_was_written(each: ShotProgress) -> None:
    assert ShotProgress.read(json.loads(json.dumps(each.to_json()))) == each


def test_another_version_of_the_package_is_read() -> None:
    known = ShotProgress("a", "a", 1, Phase.WAITING, request_id="r").to_json()
    assert ShotProgress.read({**known, "new": 1}).request_id == "r"


def test_four_hundred_shots_fit_into_a_deferral() -> None:
    """Airflow keeps a trigger's arguments, encrypted, in a column that holds 64 kB in MySQL."""
    rows: list[dict[str, Any]] = [
        {"name": "n" * 37 + f"{n:03}", "frame": "s3://b/a.jpg", "prompt": "x" * 2500} for n in range(400)
    ]
    board = BoardProgress.of(Storyboard.load(rows))
    requests = {}
    for each in board.takes.values():
        each.phase, each.request_id = Phase.WAITING, "e0303be2-92fb-4241-9840-38e5d2baf3f8"
        each.until = each.deadline = 1_795_000_000
        requests[each.name] = [each.request_id, each.deadline, 0]
    trigger = GMICloudStoryboardTrigger(
        gmi_conn_id="c" * 250, requests=requests, models=["kling-v3-image-to-video"], started_at=0.0
    )
    assert len(json.dumps(trigger.serialize()[1])) * 4 / 3 < 60_000
    assert len(json.dumps(board.to_json())) < 150_000


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (errors.InvalidArgument("x"), False),
        (errors.NotAccepted("x"), True),
        (errors.GenerationFailed("x"), False),
        (errors.GenerationFailed("x", retryable=True), True),
        (errors.UnresolvedSubmission("x"), False),
        (errors.LedgerUnavailable("x"), True),
    ],
)
def test_whether_a_retry_helps_is_what_airflow_would_do(error: errors.KlingError, retryable: bool) -> None:
    data = json.loads(json.dumps(error_to_json(error)))
    assert data["retryable"] is retryable
    assert money_of(data) is error.money
