"""The main job on a real Airflow: the sensor defers, one request is billed, the clip is in the bucket."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import av
import pytest
import requests

from tests.e2e.conftest import DAG_ID, watch

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.demo.stack import Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]


def test_a_clip_of_two_photographs_lands_and_is_paid_for_once(stack: Stack, tmp_path: Path) -> None:
    api = stack.airflow.api
    before = {row["request_id"] for row in stack.queue.ledger()}
    posts = calls(stack).get("POST /requests", 0)
    run_id = api.trigger(
        DAG_ID,
        {
            "start_frame": "s3://clips/photographs/rocket.jpg",
            "end_frame": "s3://clips/photographs/hubble_deep_field.jpg",
            "prompt": "The rocket rises until the sky fills with galaxies.",
            "duration": 4,
            "sound": True,
            "bucket": "s3://clips",
        },
    )
    deferrals: list[dict[str, Any]] = []

    def look(instances: list[dict[str, Any]]) -> None:
        deferrals.extend(one for one in instances if one["task_id"] == "wait" and one["state"] == "deferred")

    state = watch(stack, run_id, look)
    states = {one["task_id"]: one["state"] for one in api.task_instances(DAG_ID, run_id)}
    assert state == "success", f"{states}\n{stack.airflow.service.tail()}"
    assert set(states.values()) == {"success"}

    # The sensor waited in the triggerer: a trigger of ours existed, and a triggerer ran it.
    triggers = [one["trigger"] for one in deferrals if one["trigger"]]
    assert triggers, "the task `wait` was never seen deferred with a trigger"
    assert triggers[-1]["classpath"] == "kling_airflow.triggers.request.GMICloudRequestTrigger"
    assert any(one["triggerer_job"] for one in deferrals)

    # Exactly one request was created and billed, and it is the one the tasks speak of.
    (row,) = [row for row in stack.queue.ledger() if row["request_id"] not in before]
    assert (row["billed"], row["outcome"]) == (True, "success")
    assert row["amount_usd"] == pytest.approx(4 * 0.252)
    assert calls(stack)["POST /requests"] - posts == 1
    clip = api.xcom(DAG_ID, run_id, "wait")
    assert api.xcom(DAG_ID, run_id, "submit") == clip["request_id"] == row["request_id"]
    assert clip["cost_usd"] == pytest.approx(4 * 0.252)

    check_landing(stack, api.xcom(DAG_ID, run_id, "land"), row["request_id"], tmp_path)

    # The frames were prepared (640 x 427 before), and the key is nowhere in what Airflow keeps.
    frame = api.xcom(DAG_ID, run_id, "start_frame")
    assert (frame["width"], frame["height"]) == (640, 360)
    secret = stack.queue.connection["password"].encode()
    kept = [stack.airflow.home / "airflow.db", *(stack.airflow.home / "logs").rglob("*.log")]
    assert not [file for file in kept if secret in file.read_bytes()]


def calls(stack: Stack) -> dict[str, int]:
    """How often each call was made of the queue."""
    counts: dict[str, int] = requests.get(f"{stack.queue.url}/_simulator/calls", timeout=10).json()
    return counts


def check_landing(stack: Stack, landed: dict[str, Any], request_id: str, folder: Path) -> None:
    """Clip, poster and sidecar are in the bucket, and are what the transfer says they are."""
    file = stack.store.download(landed["uri"], folder)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == landed["sha256"]
    assert file.stat().st_size == landed["bytes"]
    with av.open(str(file)) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(4, abs=0.5)
        assert len(container.streams.audio) == 1
        video = container.streams.video[0]
        assert (video.width, video.height) == (landed["width"], landed["height"]) == (1280, 720)
    assert stack.store.download(landed["poster_uri"], folder).stat().st_size > 1000
    sidecar = json.loads(stack.store.download(landed["sidecar_uri"], folder).read_text())
    assert request_id in json.dumps(sidecar)
    assert landed["sha256"] in json.dumps(sidecar)


def test_a_photograph_that_is_not_there_fails_before_anything_is_bought(stack: Stack) -> None:
    api = stack.airflow.api
    before = len(stack.queue.ledger())
    run_id = api.trigger(
        DAG_ID,
        {"start_frame": "s3://clips/photographs/absent.jpg", "end_frame": None, "bucket": "s3://clips"},
    )
    assert watch(stack, run_id, lambda instances: None) == "failed"
    states = {one["task_id"]: one["state"] for one in api.task_instances(DAG_ID, run_id)}
    assert states["start_frame"] == "failed"
    assert states["end_frame"] == "skipped"
    assert states["submit"] == states["wait"] == states["land"] == "upstream_failed"
    assert len(stack.queue.ledger()) == before
    entries = api.log_entries(DAG_ID, run_id, "start_frame", 1)
    assert "absent.jpg" in json.dumps(entries)
