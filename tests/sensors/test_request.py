from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.errors import GenerationFailed, GenerationTimeout, Unauthorized, Unreachable
from kling_airflow.gmi.client import GMIClient
from kling_airflow.polling.decision import to_event
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.triggers.request import GMICloudRequestTrigger
from tests.airflow_context import TaskStateStore, connect, context
from tests.airflow_versions import (
    AIRFLOW,
    AirflowException,
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
    TaskDeferred,
    needs_airflow,
)
from tests.gmi.scripted import Step, answer, scripted
from tests.media.pictures import ROCKET
from tests.task_fixtures import queue as queue
from tests.task_fixtures import stepping as stepping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kling_airflow.simulator import Simulator

FRAME = base64.b64encode(ROCKET.read_bytes()).decode()

QUEUED = answer(200, '{"request_id": "a", "status": "queued"}')
CLIP = {"media_urls": [{"id": "0", "url": "https://m/a.mp4"}]}
DONE = answer(200, json.dumps({"request_id": "a", "status": "success", "outcome": CLIP}))
FAILED = answer(200, '{"request_id": "a", "status": "failed", "outcome": {"error": "content policy"}}')
MODES = [{"deferrable": True}, {"deferrable": False}, {"deferrable": False, "mode": "reschedule"}]
every_mode = pytest.mark.parametrize("mode", MODES, ids=["deferrable", "poke", "reschedule"])


def sensor(**fields: Any) -> GMICloudRequestSensor:
    return GMICloudRequestSensor(**({"task_id": "wait", "request_id": "a", "poke_interval": 0.01} | fields))


@pytest.fixture(autouse=True)
def _database(request: pytest.FixtureRequest) -> None:
    """A sensor of Airflow 2 that reschedules looks into the database for its first poll."""
    if AIRFLOW.major == 2:
        request.getfixturevalue("airflow_db")


@pytest.fixture
def execute(monkeypatch: pytest.MonkeyPatch) -> Any:
    def of(made: GMICloudRequestSensor, *steps: Step, given: dict[str, Any] | None = None) -> Any:
        with scripted(*steps) as server:
            connect(monkeypatch, server.url)
            return made.execute(context() if given is None else given)

    return of


@every_mode
def test_a_clip_that_is_there_is_returned_at_once(execute: Any, mode: dict[str, Any]) -> None:
    given = context()
    clip = execute(sensor(**mode), DONE, given=given)
    assert clip["video_url"] == "https://m/a.mp4"
    assert given["ti"].xcoms["request_id"] == "a"
    assert given["ti"].xcoms["clip_link"] == "https://m/a.mp4"
    assert given["ti"].xcoms["request_link"].startswith("http://127.0.0.1")


def test_it_defers_with_ids_and_a_deadline(execute: Any) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        execute(sensor(timeout=100, model="m"), QUEUED)
    kwargs = deferred.value.trigger.serialize()[1]
    assert kwargs["request_id"] == "a"
    assert kwargs["model"] == "m"
    assert kwargs["deadline"] - kwargs["started_at"] == pytest.approx(100)
    assert deferred.value.timeout > timedelta(seconds=100)


@pytest.mark.parametrize("model", ["kling-v3-text-to-video", "kling-3.0-turbo-i2v", "inworld-tts-1.5-max"])
def test_it_waits_for_a_request_of_every_model(
    queue: Simulator, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """On the worker and in the triggerer, which reads the list of that model."""
    payload = {"prompt": "rise", "text": "rise", "first_frame": FRAME, "duration": "5"}
    with GMIClient(queue.api_key, queue.base_url) as client:
        names = {parameter["name"] for parameter in client.model(model)["parameters"]}
        asked = {name: value for name, value in payload.items() if name in names}
        request_id = client.submit(model, asked).request_id
    made = sensor(request_id=request_id, model=model, deferrable=False)
    clip = made.execute(context())
    assert (clip["request_id"], clip["model"], clip["status"]) == (request_id, model, "success")
    assert asyncio.run(fired(model, request_id)) == {
        "state": "done",
        "clip": clip | {"gmi_conn_id": None},
    }


async def fired(model: str, request_id: str) -> Any:
    """Return the event of the trigger that waits for a request."""
    made = GMICloudRequestTrigger(
        gmi_conn_id="gmi_cloud_default",
        request_id=request_id,
        model=model,
        started_at=time.time(),
        deadline=time.time() + 20,
        poll_interval=0.01,
    )
    (event,) = [event.payload async for event in made.run()]
    return event


def test_a_clear_waits_anew(execute: Any) -> None:
    deadlines = []
    made = sensor(timeout=100)
    for _ in range(2):
        with pytest.raises(TaskDeferred) as deferred:
            execute(made, QUEUED)
        deadlines.append(deferred.value.trigger.wait.deadline)
    assert deadlines[1] > deadlines[0]


def test_poking_waits_and_returns_what_deferring_returns(execute: Any) -> None:
    poked = execute(sensor(deferrable=False), QUEUED, QUEUED, DONE)
    resumed = sensor().execute_complete(context(), {"state": "done", "clip": poked})
    assert poked == resumed


def test_rescheduling_gives_the_slot_back(execute: Any) -> None:
    with pytest.raises(AirflowRescheduleException):
        execute(sensor(deferrable=False, mode="reschedule"), QUEUED)


START = time.time()
REFUSED = answer(401, '{"error": "invalid api key"}')


class Polls:
    """The polls of one sensor in ``mode="reschedule"``: each is a process of its own, with one store."""

    def __init__(self, patch: pytest.MonkeyPatch, url: str, store: TaskStateStore | None) -> None:
        self.patch, self.url, self.key = patch, url, "first"
        self.given = context(store)
        self.given["ti"].first_reschedule = datetime.fromtimestamp(START, UTC)
        if store is None:
            self.given.pop("task_state_store", None)

    def poll(self, *, at: float) -> Any:
        """Ask once, so many seconds after the first poll."""
        connect(self.patch, self.url, self.key)
        self.patch.setattr("kling_airflow.task.refusals.time.time", lambda: START + at)
        return sensor(deferrable=False, mode="reschedule", timeout=7200).execute(self.given)

    def waits_on(self, *times: float) -> None:
        for at in times:
            with pytest.raises(AirflowRescheduleException):
                self.poll(at=at)


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with ExitStack() as stack:

        def of(*steps: Step, store: TaskStateStore | None) -> Polls:
            server = stack.enter_context(scripted(*steps))
            return Polls(stack.enter_context(monkeypatch.context()), server.url, store)

        yield of


def test_rescheduling_waits_out_a_refused_key_for_minutes(polls: Any) -> None:
    of_sensor = polls(*[REFUSED] * 4, store=TaskStateStore())
    of_sensor.waits_on(0, 120, 290)
    with pytest.raises(exceptions.Unauthorized, match="refused the present key of the connection"):
        of_sensor.poll(at=301)


def test_rescheduling_counts_the_refusals_of_the_present_key_only(polls: Any) -> None:
    of_sensor = polls(REFUSED, QUEUED, *[REFUSED] * 5, store=TaskStateStore())
    of_sensor.waits_on(0, 200, 400, 690)
    of_sensor.key = "second"
    of_sensor.waits_on(800, 1090)
    with pytest.raises(exceptions.Unauthorized):
        of_sensor.poll(at=1101)


def test_what_an_earlier_try_has_met_does_not_count(polls: Any) -> None:
    of_sensor = polls(REFUSED, REFUSED, store=TaskStateStore())
    of_sensor.waits_on(0)
    of_sensor.given["ti"].try_number += 1
    of_sensor.waits_on(4000)


def test_rescheduling_without_a_store_waits_out_refusals(polls: Any) -> None:
    of_sensor = polls(REFUSED, REFUSED, REFUSED, DONE, store=None)
    of_sensor.waits_on(0, 400, 7000)
    assert of_sensor.poll(at=7100)["request_id"] == "a"


def test_the_key_is_not_in_the_store(polls: Any) -> None:
    store = TaskStateStore()
    of_sensor = polls(REFUSED, store=store)
    of_sensor.key = "secret-key-0123456789"
    of_sensor.waits_on(0)
    assert "kling.refused" in store.values
    assert "secret-key" not in json.dumps(store.values)


def test_rescheduling_counts_from_the_first_poll(execute: Any) -> None:
    given = context()
    given["ti"].first_reschedule = datetime.now(UTC) - timedelta(hours=2)
    with pytest.raises(exceptions.RequestSensorTimeout):
        execute(sensor(deferrable=False, mode="reschedule"), QUEUED, given=given)


@every_mode
@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize(
    ("step", "kind"), [(FAILED, exceptions.GenerationFailed), (answer(401), exceptions.Unauthorized)]
)
def test_only_a_timeout_skips(
    execute: Any,
    mode: dict[str, Any],
    soft_fail: bool,
    step: Step,
    kind: type[Exception],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kling_airflow.polling.decision.REFUSED_SECONDS", 0.0)
    with pytest.raises(kind):
        execute(sensor(soft_fail=soft_fail, **mode), step)


@pytest.mark.parametrize(("soft_fail", "kind"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)])
def test_a_timeout_while_poking(execute: Any, soft_fail: bool, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"did not end within.*alive in the queue"):
        execute(sensor(deferrable=False, timeout=0.05, soft_fail=soft_fail), QUEUED)


@pytest.mark.parametrize(("soft_fail", "kind"), [(False, AirflowSensorTimeout), (True, AirflowSkipException)])
def test_a_timeout_while_deferred(soft_fail: bool, kind: type[Exception]) -> None:
    event = to_event(GenerationTimeout("It did not end within 1 s.", request_id="a"))
    with pytest.raises(kind, match="did not end within"):
        sensor(soft_fail=soft_fail).resume_execution("execute_complete", {"event": event}, context())


@pytest.mark.parametrize("soft_fail", [False, True])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (GenerationFailed("f", request_id="a"), exceptions.GenerationFailed),
        (GenerationFailed("f", retryable=True), exceptions.GenerationFailedForNow),
        (Unauthorized("k"), exceptions.Unauthorized),
        (Unreachable("u"), exceptions.Unreachable),
    ],
)
def test_an_error_while_deferred_is_a_failure(soft_fail: bool, error: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=re.escape(str(error))) as caught:
        sensor(soft_fail=soft_fail).resume_execution(
            "execute_complete", {"event": to_event(error)}, context()
        )
    assert isinstance(caught.value, AirflowException)


@needs_airflow("3.0", "an exception of its own for a trigger's timeout")
def test_the_safety_net_of_a_deferral_skips_too_under_soft_fail() -> None:
    kwargs = {"error": "Trigger timeout"}
    with pytest.raises(AirflowSensorTimeout):
        sensor().resume_execution("__fail__", kwargs, context())
    with pytest.raises(AirflowSkipException):
        sensor(soft_fail=True).resume_execution("__fail__", kwargs, context())
    with pytest.raises(TaskDeferralError):
        sensor(soft_fail=True).resume_execution("__fail__", {"error": "Trigger failure"}, context())


@pytest.mark.parametrize("event", [None, {}, {"state": "paused"}, "done"])
def test_an_event_that_cannot_be_read_is_an_error(event: Any) -> None:
    with pytest.raises(exceptions.Unreachable):
        sensor().execute_complete(context(), event)


@every_mode
@pytest.mark.parametrize("request_id", ["", "  ", None, "None", {"id": "a"}, "{", ["a", "b"], 7])
def test_a_request_id_is_needed(mode: dict[str, Any], request_id: Any) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="request_id"):
        sensor(request_id=request_id, **mode).execute(context())


def test_an_unknown_request_id_is_said_to_be_unknown(execute: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_airflow.polling.decision.NOT_FOUND_GRACE", 0.0)
    with pytest.raises(exceptions.NotFound, match="organization that submitted") as unknown:
        execute(sensor(deferrable=False), answer(404, '{"error": "request not found"}'))
    assert "`gmi_cloud_default`" in str(unknown.value)
    assert "is alive" not in str(unknown.value)


def test_passing_errors_are_waited_out(execute: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kling_airflow.gmi.retries.Retries.wait", lambda *_: 0.0)
    assert execute(sensor(deferrable=False), *[answer(502)] * 12, DONE)["request_id"] == "a"


def test_exponential_backoff_is_named_where_it_has_no_effect(execute: Any, logged: Callable[[], str]) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        execute(sensor(exponential_backoff=True, max_wait=60, poll_interval=5), QUEUED)
    assert "`exponential_backoff` has no effect in the triggerer" in logged()
    assert deferred.value.trigger.poll_interval == 5


def test_exponential_backoff_counts_on_the_worker(execute: Any) -> None:
    made = sensor(exponential_backoff=True, deferrable=False, mode="reschedule", poll_interval=5)
    before = datetime.now(UTC)
    with pytest.raises(AirflowRescheduleException) as later:
        execute(made, QUEUED)
    made.poke_interval = 500
    with pytest.raises(AirflowRescheduleException) as much_later:
        execute(made, QUEUED)
    assert later.value.reschedule_date - before < timedelta(seconds=20)
    assert much_later.value.reschedule_date - before > timedelta(seconds=200)


def test_defaults() -> None:
    made = GMICloudRequestSensor(task_id="wait", request_id="a")
    assert made.deferrable
    assert made.timeout == 3600
    assert made.poke_interval == 10
    assert set(made.template_fields) >= {"request_id", "model", "gmi_conn_id"}
