"""A storyboard, its frames, clips, ledger and budgets, all over S3: moto's server, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from moto.core.responses import TYPE_RESPONSE
from moto.s3.responses import S3Response

from kling_airflow import exceptions
from kling_airflow.hooks.ledger import open_ledger_path
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.simulator import Simulator
from kling_airflow.submission.budget import StoredClaims
from kling_airflow.submission.exclusive_store import open_store
from tests.airflow_context import connect, context
from tests.s3 import S3
from tests.tasks import finish, posts

put_object = S3Response.put_object


@pytest.fixture(autouse=True)
def as_atomic_as_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto looks for the object and puts it in two steps of one thread of many; S3 does it in one."""
    lock = threading.Lock()

    def locked(self: S3Response) -> TYPE_RESPONSE:
        with lock:
            return put_object(self)

    monkeypatch.setattr(S3Response, "put_object", locked)


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    with Simulator(speed=600, render="full", submit_seconds=0) as running:
        connect(monkeypatch, running.base_url, running.api_key)
        yield running


def test_all_of_it_over_s3(
    simulator: Simulator, s3: S3, rocket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    s3.put(bucket, "boards/stills/rocket.jpg", Path(urlsplit(rocket).path).read_bytes())
    shots = [
        {"name": "a", "frame": "stills/rocket.jpg", "prompt": "Rise.", "duration": 3, "takes": 2},
        {"name": "b", "continues": True, "prompt": "On.", "duration": 3},
    ]
    s3.put(bucket, "boards/shots.json", json.dumps(shots).encode())
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", f"s3://{S3.conn_id}@{bucket}/ledger")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    monkeypatch.setenv("AIRFLOW__KLING__BUDGETS", json.dumps([{"usd": 1.6, "dag": "*"}]))
    made = KlingStoryboardOperator(
        task_id="film",
        storyboard=f"s3://{bucket}/boards/shots.json",
        destination=f"s3://{bucket}/clips/spring",
        storyboard_conn_id=S3.conn_id,
        image_conn_id=S3.conn_id,
        destination_conn_id=S3.conn_id,
        poll_interval=0.01,
        land_every=0,
    )
    report = finish(made, context())
    assert (report["landed"], report["cost_usd"]) == (3, pytest.approx(1.512))
    clips = {key for key in s3.keys(bucket) if key.startswith("clips/")}
    assert {f"clips/spring/{name}.mp4" for name in ("a.1", "a.2", "b")} < clips
    assert json.loads(s3.get(bucket, "clips/spring/report.json")) == report
    assert report["shots"][0]["last_frame_uri"].startswith(f"s3://{bucket}/clips/spring/a.1.last-")

    again = finish(made, context(try_number=2, max_tries=1, clear_number=1))
    assert again == report
    assert posts(simulator) == 3


def test_a_bucket_one_may_not_write_to(
    simulator: Simulator, s3: S3, rocket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    denied = (403, {}, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
    monkeypatch.setattr(S3Response, "put_object", lambda self: denied)
    made = KlingStoryboardOperator(
        task_id="film",
        storyboard=[{"name": "a", "frame": rocket, "prompt": "Rise.", "duration": 3}],
        destination=f"s3://{bucket}/clips",
        destination_conn_id=S3.conn_id,
    )
    with pytest.raises(exceptions.StorageFailed, match=r"report\.json.*PermissionError") as caught:
        finish(made, context())
    assert "No money was spent" in str(caught.value)
    assert posts(simulator) == 0


def test_many_claims_at_once_over_s3(s3: S3) -> None:
    root = open_ledger_path(f"s3://{S3.conn_id}@{s3.bucket()}/ledger")
    claimed: list[int] = []

    def claim(number: int) -> None:
        claims = StoredClaims(open_store(root), "prod/budgets/day/2026-05-01")
        if claims.claim(f"o{number}.0", 840_000, 4_500_000) is None:
            claimed.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 5
