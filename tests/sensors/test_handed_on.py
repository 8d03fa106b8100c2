"""What the sensor takes over from the task that submitted the request, and the forms of its arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_any
from hypothesis import strategies as st

from kling_airflow import exceptions
from kling_airflow.errors import NotFound
from kling_airflow.gmi.client import GMIClient
from kling_airflow.handed_on import HandedOn
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from kling_airflow.polling.decision import to_event
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.simulator import Simulator
from kling_airflow.task.operator import waits_in_triggerer
from tests.airflow_context import connect, context
from tests.airflow_versions import DAG, TaskDeferred
from tests.dag_runs import Run, run_dag
from tests.gmi.scripted import answer, scripted

DONE = answer(
    200,
    json.dumps(
        {"request_id": "a", "status": "success", "outcome": {"media_urls": [{"url": "https://m/a.mp4"}]}}
    ),
)
QUEUED = answer(200, '{"request_id": "a", "status": "queued"}')
CLIP = {"request_id": "a", "model": "m", "gmi_conn_id": "gmi_cloud_default", "label": "shot 7"}


def sensor(**fields: Any) -> GMICloudRequestSensor:
    return GMICloudRequestSensor(**({"task_id": "wait", "request_id": "a", "poll_interval": 0.01} | fields))


@pytest.mark.parametrize("given", ["a", " a\n", CLIP, json.dumps(CLIP), [CLIP], ["a"]], ids=str)
def test_a_request_is_named_in_many_ways(monkeypatch: pytest.MonkeyPatch, given: Any) -> None:
    with scripted(DONE) as server:
        connect(monkeypatch, server.url)
        clip = sensor(request_id=given).execute(context())
    assert clip["request_id"] == "a"
    assert clip["gmi_conn_id"] == "gmi_cloud_default"
    assert clip["label"] == ("shot 7" if "shot" in str(given) else None)


def test_the_model_of_a_clip_is_what_the_trigger_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, model in ((CLIP, "m"), ("a", "kling-v3-image-to-video")):
        made = sensor(request_id=asked)
        with scripted(QUEUED) as server:
            connect(monkeypatch, server.url)
            with pytest.raises(TaskDeferred) as deferred:
                made.execute(context())
        assert deferred.value.trigger.serialize()[1]["model"] == model


TIMES = (60, 60.0, "60", " 60 ", timedelta(minutes=1))


@pytest.mark.parametrize("value", TIMES, ids=str)
@pytest.mark.parametrize("name", ["poll_interval", "poke_interval", "timeout", "unreachable_after"])
def test_every_time_is_read(name: str, value: Any) -> None:
    made = GMICloudRequestSensor(task_id="wait", request_id="a", **{name: value})
    assert getattr(made, name.replace("poll", "poke")) == 60


@pytest.mark.parametrize(
    "value", ["soon", -1, "-1", float("nan"), True, [60], timedelta(seconds=-1), "{{ 60 }}"]
)
@pytest.mark.parametrize("name", ["poll_interval", "poke_interval", "timeout", "unreachable_after"])
def test_a_wrong_time_is_refused_when_the_dag_is_parsed(name: str, value: Any) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        GMICloudRequestSensor(task_id="wait", request_id="a", **{name: value})


def test_poll_interval_goes_before_poke_interval() -> None:
    assert sensor(poll_interval=5, poke_interval=60).poke_interval == 5
    assert GMICloudRequestSensor(task_id="wait", request_id="a").poke_interval == 10


@pytest.mark.parametrize(("set_to", "waits"), [(None, True), ("False", False), ("True", True)])
def test_default_deferrable_counts_if_it_is_set(
    monkeypatch: pytest.MonkeyPatch, set_to: str | None, waits: bool
) -> None:
    if set_to is not None:
        monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", set_to)
    assert waits_in_triggerer(None) is waits
    assert sensor().deferrable is waits
    assert sensor(deferrable=not waits).deferrable is not waits


@for_any(st.text())
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        assert HandedOn.read(text).request_id == text.strip()
    except exceptions.errors.InvalidArgument:
        assert not text.strip() or text.strip().lower() in ("none", "null") or text.lstrip()[0] == "{"


# Two organizations.

DAG_FILE = """
from airflow import DAG
from kling_airflow.operators.text_to_video import KlingTextToVideoOperator
from kling_airflow.sensors.request import GMICloudRequestSensor

with DAG({dag_id!r}, schedule=None):
    submit = KlingTextToVideoOperator.partial(task_id="submit", prompt="rise", gmi_conn_id="studio")
    submit = submit.expand(label=["first", "second"])
    GMICloudRequestSensor.partial(task_id="wait", timeout=5, poll_interval=1).expand(request_id=submit.output)
"""


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    accounts = [
        {"key": "key-a", "name": "ann", "organization": "studio"},
        {"key": "key-b", "name": "bob", "organization": "agency"},
    ]
    with Simulator(speed=1000, render="fast", submit_seconds=0, accounts=accounts) as simulator:
        yield simulator


def run(simulator: Simulator, dags_folder: Path, dag_id: str) -> Run:
    return run_dag(dags_folder, dag_id, DAG_FILE.format(dag_id=dag_id))


@pytest.fixture(autouse=True)
def studio(monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    connection = {"conn_type": "gmi_cloud", "host": simulator.base_url, "password": "key-a"}
    monkeypatch.setenv("AIRFLOW_CONN_STUDIO", json.dumps(connection))


def test_the_connection_and_the_label_of_the_submission_are_taken_over(
    simulator: Simulator, dags_folder: Path
) -> None:
    ran = run(simulator, dags_folder, "studio")
    clips = [ran.result(f"wait[{index}]") for index in (0, 1)]
    assert [clip["label"] for clip in clips] == ["first", "second"]
    assert {clip["gmi_conn_id"] for clip in clips} == {"studio"}


@pytest.mark.parametrize("submitted_with", ["studio", None])
def test_the_wrong_organization_is_named(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, submitted_with: str | None
) -> None:
    """At once if the submission's task names another connection, else when the wait ends."""
    with GMIClient("key-a", simulator.base_url) as client:
        request_id = client.submit("kling-v3-text-to-video", {"prompt": "rise", "duration": "5"}).request_id
    connect(monkeypatch, simulator.base_url, "key-b")
    given = context()
    submission = {"request_id": request_id, "gmi_conn_id": submitted_with, "task_id": "submit"}
    given["ti"].xcom_pull = lambda **_: [None, submission]
    with DAG("agency", schedule=None):
        submit = KlingTextToVideoOperator(task_id="submit", prompt="rise")
        made = sensor(request_id=request_id, deferrable=False, timeout=600 if submitted_with else 0.05)
        submit >> made
    with pytest.raises(exceptions.NotFound) as unknown:
        made.execute(given)
    text = str(unknown.value)
    assert f"no request '{request_id}' for the connection `gmi_cloud_default`" in text
    assert "is alive" not in text
    if submitted_with:
        assert "Task `submit` submitted it with the connection `studio`" in text


def test_a_sensor_in_the_triggerer_names_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    request = HandedOn(request_id="a", gmi_conn_id="agency").to_json()
    event = to_event(NotFound("The queue does not know request a (HTTP 404).", request_id="a"))
    with pytest.raises(exceptions.NotFound, match="for the connection `agency`"):
        sensor().execute_complete(context(), event, request=request)
