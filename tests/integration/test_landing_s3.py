"""From the queue into S3 and no further: the simulator and moto's server, over real HTTP."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kling_airflow.exceptions import DestinationTaken, InvalidArgument, InvalidClip, NotFound
from kling_airflow.gmi.client import GMIClient
from kling_airflow.gmi.request import Request, Status
from kling_airflow.hooks.gmi import GMICloudHook
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.operators.frames import PrepareFrameOperator
from kling_airflow.payloads import ClipOptions
from kling_airflow.simulator import Simulator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.media.file_server import FileServer
from tests.media.movies import write_clip
from tests.media.pictures import ROCKET
from tests.s3 import S3

CONN = "queue_for_landings"
RequestOfAClip = tuple[Request, dict[str, Any]]


@pytest.fixture(scope="module")
def queue() -> Iterator[GMIClient]:
    with (
        Simulator(transitions="immediate", submit_seconds=0) as simulator,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(f"AIRFLOW_CONN_{CONN.upper()}", simulator.connection)
        yield GMICloudHook(CONN).get_conn()


@pytest.fixture
def bucket(s3: S3) -> str:
    name = s3.bucket()
    s3.put(name, "rocket.jpg", ROCKET.read_bytes())
    return name


@pytest.fixture(scope="module")
def request_of_a_clip(queue: GMIClient, s3: S3) -> RequestOfAClip:
    """A request that succeeded: 3 s with sound, of the rocket."""
    bucket = s3.bucket()
    s3.put(bucket, "rocket.jpg", ROCKET.read_bytes())
    frame = PrepareFrameOperator(
        task_id="frame",
        source=f"s3://{bucket}/rocket.jpg",
        destination=f"s3://{bucket}/start.jpg",
        source_conn_id=S3.conn_id,
        destination_conn_id=S3.conn_id,
    ).execute({})
    address = queue.upload(s3.get(bucket, "start.jpg"), "jpeg")
    options = ClipOptions.of(IMAGE_TO_VIDEO, prompt="It rises.", duration=3, sound=True)
    submitted = queue.submit(IMAGE_TO_VIDEO, options.payload({"image": address}))
    return finished(queue, submitted.request_id), frame


def finished(queue: GMIClient, request_id: str) -> Request:
    """The request, once the simulator has rendered its clip."""
    deadline = time.monotonic() + 60
    while not (request := queue.get(request_id)).status.terminal:
        assert time.monotonic() < deadline, request
        time.sleep(0.05)
    assert request.status is Status.SUCCESS
    return request


def land(bucket: str, **options: Any) -> dict[str, Any]:
    usual = {
        "destination": f"s3://{bucket}/clips/x.mp4",
        "destination_conn_id": S3.conn_id,
        "gmi_conn_id": CONN,
    }
    return ClipToObjectStorageOperator(task_id="land", **(usual | options)).execute({})


def test_a_clip_of_the_queue_lands_in_s3(request_of_a_clip: RequestOfAClip, s3: S3, bucket: str) -> None:
    request, frame = request_of_a_clip
    landed = land(bucket, clip=request.clip().to_json(), frames=[frame], prompt="It rises.")
    assert landed["uri"] == f"s3://{bucket}/clips/x.mp4"
    assert landed["duration_seconds"] == pytest.approx(3.04, abs=0.01)
    assert (landed["width"], landed["height"], landed["fps"]) == (1280, 720, 24)
    assert landed["has_audio"] is True
    kinds = {
        key: s3.client.head_object(Bucket=bucket, Key=key)["ContentType"]
        for key in s3.keys(bucket)
        if key.startswith("clips/")
    }
    assert kinds == {
        "clips/x.jpg": "image/jpeg",
        "clips/x.json": "application/json",
        "clips/x.mp4": "video/mp4",
    }
    said = json.loads(s3.get(bucket, "clips/x.json"))
    assert said["request_id"] == request.request_id
    assert said["cost_usd"] == pytest.approx(0.756)
    assert said["asked"]["frames"] == [{"uri": frame["uri"], "sha256": frame["sha256"]}]
    assert "Signature" not in json.dumps(said)
    assert S3.conn_id not in json.dumps([said, landed])


def test_a_retry_needs_no_queue_and_writes_nothing(
    request_of_a_clip: RequestOfAClip, s3: S3, bucket: str
) -> None:
    clip = request_of_a_clip[0].clip().to_json()
    first = land(bucket, clip=clip)
    written = s3.client.head_object(Bucket=bucket, Key="clips/x.json")["LastModified"]
    dead = clip | {"video_url": "http://127.0.0.1:9/gone.mp4"}
    assert land(bucket, clip=dead, gmi_conn_id="not_defined") == first
    assert s3.client.head_object(Bucket=bucket, Key="clips/x.json")["LastModified"] == written


@pytest.mark.parametrize("address", [None, "/api/gone.mp4"], ids=["none", "dead"])
def test_an_address_that_is_dead_is_asked_for_again(
    request_of_a_clip: RequestOfAClip, queue: GMIClient, s3: S3, bucket: str, address: str | None
) -> None:
    request = request_of_a_clip[0]
    url = queue.protocol.base_url + address if address else None
    landed = land(bucket, clip=request.clip().to_json() | {"video_url": url})
    assert landed["request_id"] == request.request_id
    assert "clips/x.json" in s3.keys(bucket)


def test_a_missing_bucket_is_found_before_anything_is_downloaded(s3: S3) -> None:
    with FileServer(b"").running() as server, pytest.raises(InvalidArgument, match="whose bucket does not"):
        land("no-such-bucket", clip={"request_id": "r", "video_url": server.url})
    assert server.requests == []


def test_a_request_that_the_queue_does_not_know(bucket: str, queue: GMIClient) -> None:
    with pytest.raises(NotFound):
        land(bucket, clip={"request_id": "00000000-0000-4000-8000-000000000000"})


def test_the_older_clip_stays_whole_until_the_new_one_is_there(
    request_of_a_clip: RequestOfAClip, s3: S3, bucket: str
) -> None:
    clip = request_of_a_clip[0].clip().to_json()
    land(bucket, clip=clip)
    newer = clip | {"request_id": "another-request"}
    with pytest.raises(InvalidClip, match="asked for were 9 s"):
        land(bucket, clip=newer, duration=9, overwrite=True)
    assert json.loads(s3.get(bucket, "clips/x.json"))["request_id"] == clip["request_id"]
    with pytest.raises(DestinationTaken, match=r"holds the clip of request .*; this is request another"):
        land(bucket, clip=newer)
    assert json.loads(s3.get(bucket, "clips/x.json"))["request_id"] == clip["request_id"]
    land(bucket, clip=newer, overwrite=True)
    assert json.loads(s3.get(bucket, "clips/x.json"))["request_id"] == "another-request"


MEASURED = """
import re, sys
from pathlib import Path
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator

url, bucket, conn, name = sys.argv[1:]
ClipToObjectStorageOperator(
    task_id="land",
    clip={"request_id": "r", "video_url": url},
    destination=f"s3://{bucket}/{name}.mp4",
    destination_conn_id=conn,
).execute({})
# Not ru_maxrss: a child inherits that from the process that started it.
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def test_memory_does_not_grow_with_the_clip(s3: S3, bucket: str, tmp_path: Path) -> None:
    movie = write_clip(tmp_path / "clip.mp4").read_bytes()
    padding = 80_000_000
    large = movie + (padding + 8).to_bytes(4, "big") + b"free" + bytes(padding)
    with FileServer(movie).running() as small_server, FileServer(large).running() as large_server:
        peaks = []
        for name, server in (("small", small_server), ("large", large_server)):
            done = subprocess.run(
                [sys.executable, "-c", MEASURED, server.url, bucket, S3.conn_id, name],
                check=True,
                capture_output=True,
                text=True,
                timeout=120,
            )
            peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert s3.client.head_object(Bucket=bucket, Key="large.mp4")["ContentLength"] == len(large)
    assert peaks[1] - peaks[0] < 60, peaks  # of 80 MB more
