"""The steps of a request: of the ledger in a folder, of Airflow's task state store, of the sidecar."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery import app as gallery_app
from kling_airflow.gallery.ledger import find_order
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from kling_airflow.gallery.timeline import LANDING, LEDGER, QUEUE, in_order, steps_of_landing, steps_of_record
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey
from tests.airflow_versions import AIRFLOW
from tests.gallery.airflow_app import as_user
from tests.gallery.sidecars import NOON, clip_sidecar, store_clip

KEY = TaskKey("rockets", "manual__1", "submit", 3)
START = NOON.timestamp()
REQUEST = "request-00007"


def bought() -> list[SubmissionRecord]:
    """The records of an order: a POST that was refused for now, one that was lost, one that was found."""
    first = SubmissionRecord("f" * 64, 2, "kling-v3-image-to-video", State.SENDING, price_usd=1.26)
    sending = first.sending(now=START, within=60, marker="m", frames={})
    refused = sending.not_sent("429 Too Many Requests")
    again = refused.sending(now=START + 5, within=60, marker="m", frames={})
    lost = again.attempt_ended(now=START + 65)
    return [sending, refused, again, lost, lost.submitted(REQUEST, now=START + 90)]


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStoreLedger:
    (tmp_path / "ledger").mkdir()
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", (tmp_path / "ledger").as_uri())
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    times = iter([START, START + 1, START + 5, START + 65, START + 90])
    made = ObjectStoreLedger(tmp_path / "ledger", KEY, deployment="prod", by="try 1", now=lambda: next(times))
    for record in bought():
        made.write(record)
    return made


def test_each_entry_of_the_journal_is_a_step(ledger: ObjectStoreLedger) -> None:
    found = find_order("rockets", "manual__1", REQUEST)
    assert found is not None
    assert found.task == "submit[3]"
    assert [step.what for step in found.steps] == [
        "POST 1 is about to leave",
        "The queue has no request of this POST",
        "POST 2 is about to leave",
        "POST 2 has ended. It is not known whether it arrived.",
        "The request id is noted",
    ]
    assert found.steps[1].detail == "try 1; 429 Too Many Requests; take 2"
    assert [step.at - START for step in found.steps] == [0, 1, 5, 65, 90]


@pytest.mark.parametrize(
    ("dag_id", "run_id", "request_id"),
    [
        ("rockets", "manual__2", REQUEST),
        ("boats", "manual__1", REQUEST),
        ("rockets", "manual:_1", REQUEST),  # the same folder as manual__1
        ("rockets", "manual__1", "request-0000"),
        ("", "", REQUEST),
    ],
)
def test_another_run_has_not_that_request(
    ledger: ObjectStoreLedger, airflow_db: Path, dag_id: str, run_id: str, request_id: str
) -> None:
    assert find_order(dag_id, run_id, request_id) is None


def test_the_steps_of_all_sources_stand_in_order() -> None:
    steps = [*steps_of_landing(clip_sidecar(7)), *steps_of_record(bought()[-1], REQUEST)]
    rows = in_order(steps)
    assert {step.source for step, _ in rows} == {LEDGER, QUEUE, LANDING}
    times = [int(step.at) for step, _ in rows]
    assert times == sorted(times)
    assert rows[0][1] == ""
    assert all(since.startswith("+") for _, since in rows[1:])


def test_within_a_second_the_post_comes_before_the_request() -> None:
    """The queue's times are whole seconds, and the ledger's are not."""
    record = SubmissionRecord("f" * 64, 1, "m", State.SENDING)
    sent = record.sending(now=START + 0.3, within=60, marker="m", frames={})
    ledger = steps_of_record(sent.submitted(REQUEST, now=START + 0.8), REQUEST)
    queue = steps_of_landing(
        clip_sidecar(
            7, submitted_at=NOON.isoformat(), finished_at=NOON.isoformat(), landed_at=NOON.isoformat()
        )
    )
    assert [step.what for step, _ in in_order([*queue, *ledger])] == [
        "POST 1 is about to leave",
        "The queue has the request",
        "The request id is noted",
        "The queue has made the clip",
        "Checked and stored",
    ]


def test_the_page_shows_the_ledger_before_the_request_has_landed(
    client: TestClient, gallery: Path, ledger: ObjectStoreLedger
) -> None:
    gallery_app._indexes.clear()
    address = f"/kling/requests/{REQUEST}?dag_id=rockets&run_id=manual__1"
    page = client.get(address, headers=as_user("alice")).text
    for text in (
        "has not landed",
        "submit[3]",
        "take 2",
        "$1.26",
        "POST 2 is about to leave",
        "/dags/rockets/",
    ):
        assert text in page, text
    # Bob may not read the DAG; Carol may, and not its task instances; an id that is not the run's is nothing.
    assert client.get(address, headers=as_user("bob")).status_code == 403
    assert client.get(address, headers=as_user("carol")).status_code == 403
    other = f"/kling/requests/{REQUEST}?dag_id=boats&run_id=manual__1"
    assert client.get(other, headers=as_user("bob")).status_code == 404
    assert client.get(f"/kling/requests/{REQUEST}", headers=as_user("alice")).status_code == 404


def test_the_ledger_is_for_those_who_may_see_task_instances(
    client: TestClient, gallery: Path, ledger: ObjectStoreLedger
) -> None:
    store_clip(gallery, "rocket.mp4", 7)
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()
    address = f"/kling/requests/{REQUEST}"
    assert "POST 2 is about to leave" in client.get(address, headers=as_user("alice")).text
    page = client.get(address, headers=as_user("carol")).text
    assert "Checked and stored" in page
    assert "POST 2" not in page


def test_a_ledger_without_an_answer_is_named_and_the_clip_is_shown(
    client: TestClient, gallery: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_clip(gallery, "rocket.mp4", 7)
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", "s3://no_such_connection@bucket/ledger")
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    page = client.get(f"/kling/requests/{REQUEST}", headers=as_user("alice")).text
    assert "Rocket 7 lifts off." in page


@pytest.mark.skipif(AIRFLOW.release[:2] < (3, 3), reason="the task state store came with Airflow 3.3")
def test_the_record_in_airflows_own_store_is_read(client: TestClient, airflow_db: Path) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.utils.session import create_session
    from airflow.utils.types import DagRunType

    record = bought()[-1]
    with create_session() as session:
        run = DagRun(dag_id="rockets", run_id="stored", run_type=DagRunType.MANUAL)
        session.add(run)
        session.flush()
        row = TaskStateStoreModel(
            dag_run_id=run.id,
            dag_id="rockets",
            run_id="stored",
            task_id="submit",
            **{"map_index" if hasattr(TaskStateStoreModel, "map_index") else "region_index": 2},
            key=f"kling_airflow.submission.{record.fingerprint[:32]}.2",
            value=json.dumps(record.to_json()),
        )
        session.add(row)
    found = find_order("rockets", "stored", REQUEST)
    assert found is not None
    assert found.task == "submit[2]"
    assert [step.what for step in found.steps] == ["POST 2 is about to leave", "The request id is noted"]
    assert find_order("rockets", "stored", "request-%") is None


def test_a_table_of_another_airflow_is_no_error(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(*_: object) -> None:
        raise AttributeError("type object 'TaskStateStoreModel' has no attribute 'value'")

    monkeypatch.setattr("kling_airflow.gallery.ledger._rows", other)
    assert find_order("rockets", "stored", REQUEST) is None
