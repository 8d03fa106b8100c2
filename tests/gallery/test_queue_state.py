"""Where a waiting request stands: asked of the real queue, seldom, in time, and without a word of the key."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kling_airflow.gallery import app as gallery_app
from kling_airflow.gallery import request_view
from kling_airflow.gallery.queue_state import GAP, MAX_AGE, QueueState, QueueStates, look
from kling_airflow.gallery.reindex import reindex
from kling_airflow.gallery.settings import open_gallery
from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from kling_airflow.submission.object_store import ObjectStoreLedger
from kling_airflow.submission.record import State, SubmissionRecord
from kling_airflow.submission.task_key import TaskKey
from tests.airflow_context import connect
from tests.gallery.airflow_app import as_user
from tests.gallery.sidecars import store_clip
from tests.gallery.xcoms import xcom

KEY = "gmi-key-that-no-page-shows"
MODEL = "kling-v3-text-to-video"
RUN = "?dag_id=rockets&run_id=manual__1"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A queue whose requests move on each time they are read."""
    settings = {"render": "fast", "submit_seconds": 0, "accounts": [{"key": KEY}]}
    with Simulator(transitions="reads", reads_per_step=1, **settings) as running:
        yield running


@pytest.fixture
def request_id(
    simulator: Simulator, client: TestClient, gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """A request that a task of a run has submitted, and that has not landed."""
    simulator.reset()
    connect(monkeypatch, simulator.base_url, KEY)
    with GMIClient(KEY, simulator.base_url) as queue:
        made = queue.submit(MODEL, {"prompt": "A rocket.", "duration": "5"})
    note_in_ledger(made.request_id, tmp_path, monkeypatch)
    monkeypatch.setattr(request_view, "states", QueueStates(look, patience=60))
    gallery_app._indexes.clear()
    return made.request_id


def note_in_ledger(request_id: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what the submitting task has written."""
    (folder / "ledger").mkdir(exist_ok=True)
    monkeypatch.setenv("AIRFLOW__KLING__LEDGER", (folder / "ledger").as_uri())
    monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "prod")
    key = TaskKey("rockets", "manual__1", "submit", -1)
    record = SubmissionRecord("f" * 64, 1, MODEL, State.SENDING)
    sent = record.sending(now=1.0, within=60, marker="m", frames={})
    ledger = ObjectStoreLedger(folder / "ledger", key, deployment="prod", by="try 1")
    ledger.write(sent)
    ledger.write(sent.submitted(request_id, now=2.0))


def get(client: TestClient, request_id: str, query: str = RUN, user: str = "alice") -> str:
    answer = client.get(f"/kling/requests/{request_id}{query}", headers=as_user(user))
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_page_of_a_waiting_request_says_where_it_stands(
    client: TestClient, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = get(client, request_id)
    for text in ("In the queue:", "<dt>Since</dt>", "<dt>Submitted</dt>", "<dt>Seen</dt>", "data-look-again"):
        assert text in page, text
    assert "The queue has the request" in page
    deadline = time.monotonic() + 120  # a rendering takes long on a busy machine
    while '<span class="state">success</span>' not in page and time.monotonic() < deadline:
        # A server that has asked nothing yet reads the request once.
        monkeypatch.setattr(request_view, "states", QueueStates(look, patience=60))
        page = get(client, request_id)
    state = page.partition('<section class="note"')[2].partition("</section>")[0]
    assert '<span class="state">success</span>' in state, state
    assert "The request has ended: success" in page
    assert "data-look-again" not in page
    assert KEY not in page


def test_many_views_are_one_call(client: TestClient, request_id: str, simulator: Simulator) -> None:
    first = get(client, request_id)
    status = first.partition('<span class="state">')[2].partition("<")[0]
    for _ in range(5):  # the request would move on with each read
        assert f'<span class="state">{status}</span>' in get(client, request_id)


def test_the_queue_is_asked_only_by_those_who_may_and_for_what_the_run_has_submitted(
    client: TestClient, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def note(conn_id: str, wanted: str) -> QueueState:
        asked.append((conn_id, wanted))
        return QueueState(problem="It is a test.")

    monkeypatch.setattr(request_view, "states", QueueStates(note))
    statuses = {
        f"{request_id}{RUN}": ("bob", 403),
        f"{request_id}?dag_id=boats&run_id=manual__1": ("bob", 404),  # with one's own DAG in the address
        f"{request_id}?dag_id=rockets&run_id=other": ("alice", 404),
        f"{request_id}": ("alice", 404),
        f"another-request{RUN}": ("alice", 404),
        f"..%2F..%2Fmodels{RUN}": ("alice", 404),
        f"%20{RUN}": ("alice", 404),
    }
    for address, (user, status) in statuses.items():
        answer = client.get(f"/kling/requests/{address}", headers=as_user(user))
        assert answer.status_code == status, address
    assert asked == []
    # Carol may read the DAG, and not its task instances.
    assert client.get(f"/kling/requests/{request_id}{RUN}", headers=as_user("carol")).status_code == 403
    assert asked == []
    assert "The queue could not be asked: It is a test." in get(client, request_id)
    assert asked == [("gmi_cloud_default", request_id)]


def test_what_has_landed_is_not_asked_for(
    client: TestClient, gallery: Path, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(conn_id: str, wanted: str) -> QueueState:
        raise AssertionError("asked")

    monkeypatch.setattr(request_view, "states", QueueStates(never))
    store_clip(gallery, "rocket.mp4", 1, request_id=request_id)
    reindex(open_gallery(gallery.as_uri()))
    gallery_app._indexes.clear()
    page = get(client, request_id)
    assert "In the queue" not in page
    assert "Rocket 1 lifts off." in page


def connection(**fields: Any) -> str:
    return json.dumps({"conn_type": "gmi_cloud", "password": KEY, **fields})


@pytest.mark.parametrize(
    ("defined", "text"),
    [
        (None, "The connection `gmi_cloud_default` is not defined."),
        ("{not json", "The connection `gmi_cloud_default` is not defined."),
        (connection(conn_type="postgres", host="db"), "is not of the type `gmi_cloud`"),
        (connection(host="http://127.0.0.1:1"), "127.0.0.1:1"),
        (connection(host="http://127.0.0.1:1", password=""), "key"),
    ],
)
def test_why_the_queue_could_not_be_asked(
    client: TestClient, request_id: str, monkeypatch: pytest.MonkeyPatch, defined: str | None, text: str
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_GMI_CLOUD_DEFAULT")
    if defined is not None:
        monkeypatch.setenv("AIRFLOW_CONN_GMI_CLOUD_DEFAULT", defined)
    page = get(client, request_id)
    problem = page.partition("The queue could not be asked: ")[2].partition("</p>")[0]
    assert text in problem, problem
    assert KEY not in page
    assert "The request id is noted" in page  # the ledger's part is there all the same


def test_a_secrets_backend_that_fails_is_named_without_its_words(
    client: TestClient, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, conn_id: str) -> None:
        raise PermissionError(f"403 for role api-server at vault.internal, {KEY}")

    monkeypatch.delenv("AIRFLOW_CONN_GMI_CLOUD_DEFAULT")
    monkeypatch.setattr("airflow.sdk.bases.hook.BaseHook.get_connection", classmethod(refuse))
    page = get(client, request_id)
    problem = "The API server can&#39;t read the connection `gmi_cloud_default` (PermissionError)."
    assert f"The queue could not be asked: {problem}" in page
    assert "vault" not in page
    assert KEY not in page


def test_a_key_that_the_queue_refuses_is_not_shown(
    client: TestClient, request_id: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, simulator.base_url, "wrong-key-of-ours")
    page = get(client, request_id)
    assert "The queue could not be asked: " in page
    assert "wrong-key-of-ours" not in page


def test_the_connection_of_the_task_is_asked(
    client: TestClient, request_id: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task that submits leaves the connection in an XCom."""
    monkeypatch.setenv("AIRFLOW_CONN_GMI_OF_TEAM", connection(host=simulator.base_url))
    monkeypatch.delenv("AIRFLOW_CONN_GMI_CLOUD_DEFAULT")
    handed = {"request_id": request_id, "model": MODEL, "gmi_conn_id": "gmi_of_team", "task_id": "submit"}
    with xcom("rockets", "manual__1", "submit", "request", handed):
        assert "In the queue:" in get(client, request_id)


def test_an_xcom_is_enough_without_a_ledger(
    client: TestClient, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LEDGER", "DEPLOYMENT"):
        monkeypatch.delenv(f"AIRFLOW__KLING__{name}")
    address = f"/kling/requests/{request_id}{RUN}"
    assert client.get(address, headers=as_user("alice")).status_code == 404
    with xcom("rockets", "manual__1", "submit", "request_id", request_id):
        assert "In the queue:" in get(client, request_id)
        other = f"/kling/requests/{request_id[:-1]}{RUN}"
        assert client.get(other, headers=as_user("alice")).status_code == 404


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Queue:
    """A queue that counts its calls, and answers when it is let."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self, conn_id: str, request_id: str) -> QueueState:
        self.calls.append((conn_id, request_id))
        self.answers.wait(60)
        return QueueState(status=f"look {len(self.calls)}")


def test_a_connection_is_asked_once_a_second_and_a_request_once_in_five() -> None:
    queue, clock = Queue(), Clock()
    states = QueueStates(queue, now=clock, patience=60)
    assert states.of("a", "1").status == "look 1"
    assert states.of("a", "1").status == "look 1"
    assert "other requests" in states.of("a", "2").problem
    assert states.of("b", "2").status == "look 2"  # another connection has a rate of its own
    clock.now += GAP
    assert states.of("a", "2").status == "look 3"
    clock.now += MAX_AGE - GAP + 0.1
    assert states.of("a", "1").status == "look 4"
    assert states.of("a", "2").status == "look 3"
    for number in range(1000):
        states.of("a", str(number))
    assert len(queue.calls) == 4


def test_a_queue_that_does_not_answer_holds_up_no_page() -> None:
    queue, clock = Queue(), Clock()
    queue.answers.clear()
    states = QueueStates(queue, now=clock, patience=0.01)
    for number in range(20):
        assert states.of("a", str(number)).problem
        clock.now += 60
    assert len(queue.calls) <= 2
    queue.answers.set()
    patient = QueueStates(queue, now=clock, patience=60)
    assert patient.of("a", "1").status
