"""The example DAG, whole, through ``dag.test()``: simulator and moto's S3 over real HTTP."""

from __future__ import annotations

import json
import shutil
import warnings
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from packaging.version import Version

from kling_airflow.simulator import Simulator
from tests.airflow_context import connect
from tests.airflow_versions import AIRFLOW

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "dags" / "kling_image_to_video.py"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(speed=100) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(store: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    extra = {"endpoint_url": store, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))
    client = boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for bucket in ("stills", "clips"):
        client.create_bucket(Bucket=bucket)
    for name in ("rocket.jpg", "hubble_deep_field.jpg"):
        with as_file(files("kling_airflow.demo") / "frames" / name) as path:
            client.upload_file(str(path), "stills", name)
    return client


@pytest.fixture
def dag(dags_folder: Path) -> Any:
    from tests.airflow_versions import DagBag

    path = Path(shutil.copy(EXAMPLE, dags_folder))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bag = DagBag(dag_folder=path)
    assert bag.import_errors == {}
    assert [str(warning.message) for warning in caught if "kling" in str(warning.filename)] == []
    return bag.dags["kling_image_to_video"]


def landed(s3: Any, run_id: str) -> dict[str, bytes]:
    objects = s3.list_objects_v2(Bucket="clips", Prefix=f"{run_id}/").get("Contents", [])
    return {
        Path(found["Key"]).name: s3.get_object(Bucket="clips", Key=found["Key"])["Body"].read()
        for found in objects
    }


@pytest.mark.parametrize("end_frame", ["s3://stills/hubble_deep_field.jpg", None])
def test_two_photographs_become_a_clip_in_the_bucket(
    dag: Any,
    s3: Any,
    simulator: Simulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    end_frame: str | None,
) -> None:
    simulator.reset()
    connect(monkeypatch, simulator.base_url, simulator.api_key)
    if Version("3.3") > AIRFLOW:  # no task state store
        (tmp_path / "ledger").mkdir()
        monkeypatch.setenv("AIRFLOW__KLING__LEDGER", f"file://{tmp_path}/ledger")
        monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "test")

    run = dag.test(run_conf={"duration": 3, "end_frame": end_frame})

    assert run.state == "success"
    states = {task.task_id: str(task.state) for task in run.get_task_instances()}
    assert states.pop("end_frame") == ("success" if end_frame else "skipped")
    assert set(states.values()) == {"success"}

    (entry,) = simulator.ledger()
    assert (entry.billed, entry.amount_microusd) == (True, 756_000)

    objects = landed(s3, run.run_id)
    assert set(objects) == {"start.jpg", "clip.mp4", "clip.jpg", "clip.json"} | (
        {"end.jpg"} if end_frame else set()
    )
    sidecar = json.loads(objects["clip.json"])
    assert entry.request_id in json.dumps(sidecar)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(objects["clip.mp4"])

    from kling_airflow.media.clip_check import check_clip

    info = check_clip(clip, duration=3, sound=True)
    assert (info.width, info.height) == (1280, 720)
