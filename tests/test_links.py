"""Each task shows the links of its request and its clip, also while it waits and when it is mapped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from kling_airflow.operators.join_clips import JoinClipsOperator
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.airflow_context import context
from tests.airflow_versions import needs_airflow
from tests.dag_runs import run_dag
from tests.task_fixtures import *  # noqa: F403 -- fixtures are found by their names
from tests.tasks import deferral, finish, operator

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.simulator import Simulator
    from tests.s3 import S3

needs_gallery = needs_airflow("3.1", "views of plugins")


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> str:
    """Configure a gallery; return its address."""
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY", "s3://clips")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/team/")
    return "https://airflow.example/team/kling/"


@pytest.fixture
def bucket(s3: S3) -> str:
    """Return a new folder in S3."""
    return f"s3://{s3.conn_id}@{s3.bucket()}"


def page_of(gallery: str, request_id: str, given: dict[str, Any]) -> str:
    """Return the page of a request: before its clip has landed the DAG and the run find it."""
    ti = given["ti"]
    asked = urlencode({"dag_id": ti.dag_id, "run_id": ti.run_id})
    return f"{gallery}requests/{request_id}?{asked}"


def links(given: dict[str, Any]) -> dict[str, str]:
    """Return the links that a task has left."""
    return {key: value for key, value in given["ti"].xcoms.items() if key.endswith("_link")}


def landed_clip(queue: Simulator, rocket: str) -> dict[str, Any]:
    """Return a clip that the queue has."""
    clip: dict[str, Any] = finish(operator(rocket, wait_for_completion=True), context())
    return clip


def landing(clip: dict[str, Any], folder: str) -> ClipToObjectStorageOperator:
    return ClipToObjectStorageOperator(task_id="land", clip=clip, destination=f"{folder}/a.mp4")


def test_without_a_gallery_the_request_is_the_queues_console(queue: Simulator, rocket: str) -> None:
    given = context()
    deferral(lambda: operator(rocket, wait_for_completion=True).execute(given))
    assert links(given) == {"request_link": queue.base_url}


@needs_gallery
def test_a_waiting_task_shows_the_page_of_its_request(queue: Simulator, rocket: str, gallery: str) -> None:
    given = context()
    deferral(lambda: operator(rocket, wait_for_completion=True).execute(given))
    (entry,) = queue.ledger()
    page = page_of(gallery, entry.request_id, given)
    assert links(given) == {"request_link": page, "gallery_link": gallery}

    queue.faults.add("stuck-queued")
    waiting = context()
    sensor = GMICloudRequestSensor(task_id="wait", request_id=entry.request_id)
    deferral(lambda: sensor.execute(waiting))
    assert links(waiting) == {"request_link": page, "gallery_link": gallery}


@needs_gallery
def test_without_a_base_url_the_address_is_a_path(
    queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY", "s3://clips")
    given = context()
    request_id = operator(rocket).execute(given)
    page = page_of("/kling/", request_id, given)
    assert links(given) == {"request_link": page, "gallery_link": "/kling/"}


def test_the_sensor_shows_the_clip(queue: Simulator, rocket: str) -> None:
    request_id, given = operator(rocket).execute(context()), context()
    sensor = GMICloudRequestSensor(
        task_id="wait", request_id=request_id, deferrable=False, poll_interval=0.01
    )
    clip = sensor.execute(given)
    assert links(given) == {"request_link": queue.base_url, "clip_link": clip["video_url"]}


def test_a_landing_shows_the_file_and_what_is_known_of_it(queue: Simulator, rocket: str, bucket: str) -> None:
    given = context()
    landing(landed_clip(queue, rocket), bucket).execute(given)
    found = links(given)
    assert found["clip_link"].endswith("/a.mp4")
    assert found["request_link"].endswith("/a.json"), "the sidecar says what was asked"
    assert set(given["ti"].xcoms) == {"clip_link", "request_link", "uri"}, "a row of the UI each"


@needs_gallery
def test_landings_show_their_page(queue: Simulator, rocket: str, tmp_path: Path, gallery: str) -> None:
    clip = landed_clip(queue, rocket)
    given = context()
    landed = landing(clip, tmp_path.as_uri()).execute(given)
    page = page_of(gallery, clip["request_id"], given)
    assert links(given) == {"clip_link": page, "request_link": page, "gallery_link": gallery}

    given = context()
    film = JoinClipsOperator(
        task_id="film", clips=[landed], destination=f"{tmp_path.as_uri()}/film.mp4", preset="ultrafast"
    )
    page = page_of(gallery, film.execute(given)["request_id"], given)
    assert links(given) == {"clip_link": page, "request_link": page, "gallery_link": gallery}


def storyboard(rocket: str, folder: str) -> KlingStoryboardOperator:
    return KlingStoryboardOperator(
        task_id="clips",
        storyboard=[{"name": "launch", "frame": rocket, "prompt": "rise", "duration": 3}],
        destination=folder,
        deferrable=False,
        poll_interval=0.01,
    )


def test_a_storyboard_shows_its_report(queue: Simulator, rocket: str, bucket: str) -> None:
    given = context()
    storyboard(rocket, bucket).execute(given)
    assert links(given)["report_link"].endswith("/report.json")
    assert links(given)["request_link"] == queue.base_url


@needs_gallery
def test_a_storyboards_requests_are_in_the_gallery(
    queue: Simulator, rocket: str, tmp_path: Path, gallery: str
) -> None:
    given = context()
    storyboard(rocket, tmp_path.as_uri()).execute(given)
    assert links(given) == {"request_link": gallery, "gallery_link": gallery}


MAPPED = """
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from tests.airflow_versions import DAG

with DAG("mapped_links"):
    KlingImageToVideoOperator.partial(
        task_id="clip", image="IMAGE", duration=3, wait_for_completion=True, poll_interval=1,
    ).expand(prompt=["rise", "fall"])
"""


@needs_airflow("3.0", "links are XComs")
def test_airflow_finds_the_links_of_a_mapped_task_and_stores_no_empty_one(
    queue: Simulator, rocket: str, dags_folder: Path
) -> None:
    from airflow.utils.session import create_session

    from tests.airflow_versions import DagBag, DagSerialization, XComModel

    source = MAPPED.replace("IMAGE", rocket)
    run = run_dag(dags_folder, "mapped_links", source)
    assert run.states == {"clip[0]": "success", "clip[1]": "success"}
    with create_session() as session:
        rows = session.query(XComModel).filter_by(dag_id="mapped_links", task_id="clip", map_index=1).all()
        keys = {row.key for row in rows}
    assert keys == {"return_value", "request_id", "request", "request_link", "clip_link"}

    path = dags_folder / "mapped_links.py"
    path.write_text(source)
    try:
        dag = DagBag(path).dags["mapped_links"]
    finally:
        path.unlink()
    kept = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    task = DagSerialization.from_dict(kept).get_task("clip")
    ti = run._instances["clip[1]"]
    found = {name: task.get_extra_links(ti, name) for name in task.extra_links}
    assert found == {
        "Request": queue.base_url,
        "Clip": run.result("clip[1]")["video_url"],
        "Gallery": "",
    }
