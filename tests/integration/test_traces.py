"""One trace of a clip over real HTTP: an operator submits it, a trigger waits for it, a transfer lands it."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest
from opentelemetry import trace
from packaging.version import Version

from kling_airflow.exceptions import GenerationFailed
from kling_airflow.hooks import airflow_tracer
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.sensors.request import GMICloudRequestSensor
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.airflow_context import TaskInstance, TaskStateStore
from tests.airflow_versions import AIRFLOW, TaskDeferred
from tests.spans import Spans, attributes, text_of
from tests.spans import spans as spans
from tests.task_fixtures import queue as queue
from tests.task_fixtures import stepping as stepping
from tests.tasks import deferral, operator, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from kling_airflow.simulator import Simulator

TRACE = "0af7651916cd43dd8448eb211c80319c"
PROMPT = "a rocket nobody must read about"
STARTED = datetime(2026, 11, 28, tzinfo=UTC)
BY_AIRFLOW = Version("3.2") <= AIRFLOW
"""Whether Airflow makes the spans of a worker and of a trigger current itself."""


class TracedInstance(TaskInstance):
    """A task instance of a run that Airflow traces, as each version hands it to a worker."""

    def __init__(self, task_id: str) -> None:
        super().__init__()
        self.task_id = task_id
        self.span_id = f"{crc32(task_id.encode()) + 1:016x}"
        if AIRFLOW.major > 2:
            self.context_carrier = {"traceparent": f"00-{TRACE}-{self.span_id}-01"}
        self.key = SimpleNamespace(dag_id="dag", run_id="run", task_id=task_id, try_number=1)

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int = -1) -> Any:
        return None


def traced(task_id: str) -> dict[str, Any]:
    """Return a task's context."""
    run = SimpleNamespace(dag_id="dag", run_id="run", run_after=STARTED, start_date=STARTED, clear_number=0)
    return {"ti": TracedInstance(task_id), "dag_run": run, "task_state_store": TaskStateStore()}


def place(context: dict[str, Any]) -> trace.SpanContext:
    """Return Airflow's own span of a task."""
    found = airflow_tracer.place_of(context)
    assert found is not None
    return trace.get_current_span(found).get_span_context()


@contextmanager
def airflow_span(name: str, context: dict[str, Any]) -> Iterator[None]:
    """What Airflow has around a task, and around a trigger: its span is current from 3.2 on."""
    if not BY_AIRFLOW:
        yield
        return
    kind, _, _ = name.partition(".")
    module = import_module(
        {"worker": "airflow.sdk.execution_time.task_runner", "trigger": "airflow.jobs.triggerer_job_runner"}[
            kind
        ]
    )
    with pytest.MonkeyPatch.context() as patch:
        # It keeps the first provider that it sees, which was an earlier test's.
        patch.setattr(module, "tracer", trace.get_tracer("airflow"))
        if kind == "worker":
            made = module._make_task_span(msg=SimpleNamespace(ti=context["ti"]))
        else:
            made = module._make_trigger_span(ti=_dto(context["ti"]), trigger_id=1, name="a trigger")
        with made:
            yield


def _dto(ti: TracedInstance) -> Any:
    """Return a task instance as the triggerer of Airflow 3.2 and later knows it."""
    dto = import_module("airflow.jobs.triggerer_job_runner").TaskInstanceDTO
    return dto.model_construct(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        try_number=1,
        map_index=-1,
        context_carrier=ti.context_carrier,
    )


async def fired(trigger: Any, context: dict[str, Any]) -> Any:
    with airflow_span("trigger.buy", context) if BY_AIRFLOW else nullcontext():
        (event,) = [event.payload async for event in trigger.run()]
        return event


def through_triggerer(run: Any, task: Any, context: dict[str, Any]) -> Any:
    """Run a task that defers once, the trigger in another place than the task."""
    with airflow_span("worker.buy", context):
        deferred = deferral(run)
    trigger, kwargs = stored(deferred)
    trigger.task_instance = context["ti"] if AIRFLOW.major > 2 else None
    event = asyncio.run(asyncio.wait_for(fired(trigger, context), 120))
    with airflow_span("worker.buy", context):
        return task.resume_execution(deferred.method_name, {"event": event, **kwargs}, context)


def secrets_of(simulator: Simulator, clip: dict[str, Any], image: str) -> list[str]:
    """Return what no span may say."""
    return [PROMPT, simulator.api_key, clip["video_url"], image, "X-Amz-", "Signature"]


def parent(span: ReadableSpan) -> int:
    assert span.parent is not None, span.name
    return span.parent.span_id


def test_one_task_and_its_landing_are_one_trace(
    queue: Simulator, spans: Spans, rocket: str, tmp_path: Path
) -> None:
    context = traced("buy")
    task = operator(rocket, task_id="buy", prompt=PROMPT, wait_for_completion=True, duration=3)
    clip = through_triggerer(lambda: task.execute(context), task, context)
    land = traced("land")
    with airflow_span("worker.land", land):
        landed = ClipToObjectStorageOperator(
            task_id="land", clip=clip, destination=(tmp_path / "x.mp4").as_uri(), prompt=PROMPT
        ).execute(land)

    submit, wait, landing = (spans.one(f"kling.{name}") for name in ("submit", "wait", "land"))
    trace_id = place(context).trace_id
    assert {span.get_span_context().trace_id for span in (submit, wait, landing)} == {trace_id}
    assert place(land).trace_id == trace_id
    if BY_AIRFLOW:
        assert trace_id == int(TRACE, 16)
        before, _ = spans.named("worker.buy")
        assert parent(submit) == before.get_span_context().span_id
        assert parent(wait) == spans.one("trigger.buy").get_span_context().span_id
        assert parent(landing) == spans.one("worker.land").get_span_context().span_id
        (link,) = wait.links
        assert link.context.span_id == submit.get_span_context().span_id
    else:
        assert parent(submit) == place(context).span_id
        assert parent(landing) == place(land).span_id
        assert parent(wait) in (submit.get_span_context().span_id, place(context).span_id)

    assert attributes(submit) == {
        "kling.request_id": clip["request_id"],
        "kling.model": clip["model"],
        "kling.connection": "gmi_cloud_default",
        "kling.take": 1,
        "kling.price_usd": clip["cost_usd"],
        "kling.order_state": "bought",
        "kling.earlier": 0,
    }
    said = attributes(wait)
    assert said.pop("kling.queue_seconds") >= 0
    assert said == {
        "kling.request_id": clip["request_id"],
        "kling.model": clip["model"],
        "kling.connection": "gmi_cloud_default",
        "kling.outcome": "done",
        "kling.status": "success",
        "kling.cost_usd": clip["cost_usd"],
    }
    statuses = [event.attributes["kling.status"] for event in wait.events if event.attributes]
    assert statuses[-1] == "success"
    assert len(statuses) > 1
    assert [event.timestamp for event in wait.events] == sorted(event.timestamp for event in wait.events)
    assert wait.start_time <= wait.events[0].timestamp <= wait.events[-1].timestamp <= wait.end_time
    assert attributes(landing) == {
        "kling.request_id": clip["request_id"],
        "kling.model": clip["model"],
        "kling.connection": "gmi_cloud_default",
        "kling.cost_usd": clip["cost_usd"],
        "kling.bytes": landed["bytes"],
        "kling.destination": landed["uri"],
        "kling.landed_before": False,
        "kling.duration_check": attributes(landing)["kling.duration_check"],
        "kling.sound_check": attributes(landing)["kling.sound_check"],
    }
    assert "asked for 3 s" in attributes(landing)["kling.duration_check"]
    everything = text_of(spans.all())
    assert [secret for secret in secrets_of(queue, clip, rocket) if secret in everything] == []


def test_a_retry_says_that_it_has_found_what_was_bought(queue: Simulator, spans: Spans, rocket: str) -> None:
    context = traced("buy")
    request_id = operator(rocket).execute(context)
    assert operator(rocket).execute(context) == request_id
    other = traced("other")
    assert operator(rocket, adopt_request_id=request_id).execute(other) == request_id
    said = [attributes(span) for span in spans.named("kling.submit")]
    assert [each["kling.order_state"] for each in said] == ["bought", "found", "adopted"]
    assert {each["kling.request_id"] for each in said} == {request_id}


def test_a_split_task_is_one_trace_with_its_sensor(queue: Simulator, spans: Spans, rocket: str) -> None:
    bought = traced("submit")
    with airflow_span("worker.submit", bought):
        request_id = operator(rocket, prompt=PROMPT).execute(bought)
    waiting = traced("wait")
    sensor = GMICloudRequestSensor(task_id="wait", request_id=request_id, poll_interval=0.01)
    through_triggerer(lambda: sensor.execute(waiting), sensor, waiting)

    submit, wait = spans.one("kling.submit"), spans.one("kling.wait")
    assert submit.get_span_context().trace_id == wait.get_span_context().trace_id
    assert attributes(submit)["kling.request_id"] == attributes(wait)["kling.request_id"] == request_id
    assert parent(wait) != submit.get_span_context().span_id
    assert PROMPT not in text_of(spans.all())


def test_a_trigger_carries_its_place_only_while_tracing_is_on(
    queue: Simulator, spans: Spans, rocket: str
) -> None:
    task = operator(rocket, wait_for_completion=True)
    context = traced("buy")
    deferred = deferral(lambda: task.execute(context))
    kwargs = deferred.trigger.serialize()[1]
    submit = spans.one("kling.submit").get_span_context()
    assert kwargs["trace"] == f"00-{submit.trace_id:032x}-{submit.span_id:016x}-01"
    assert queue.api_key not in json.dumps(kwargs)


def storyboard(rocket: str, folder: Path, **fields: Any) -> KlingStoryboardOperator:
    shots = [
        {"name": name, "frame": rocket, "prompt": f"{PROMPT}, {name}.", "duration": 3}
        for name in ("launch", "bad", "moon")
    ]
    return KlingStoryboardOperator(
        task_id="film",
        storyboard=shots,
        destination=folder.as_uri(),
        poll_interval=0.01,
        resubmit_delay=0,
        land_every=0,
        **fields,
    )


def run_storyboard(made: KlingStoryboardOperator, context: dict[str, Any]) -> None:
    """Run a storyboard's task to its end, each of its processes under a worker's span."""
    method, kwargs = "execute", None
    while True:
        with airflow_span("worker.film", context):
            try:
                if kwargs is None:
                    made.execute(context)
                else:
                    made.resume_execution(method, kwargs, context)
                return
            except TaskDeferred as found:
                deferred = found
        trigger, carried = stored(deferred)
        trigger.task_instance = context["ti"] if AIRFLOW.major > 2 else None
        event = asyncio.run(asyncio.wait_for(fired(trigger, context), 120))
        method, kwargs = deferred.method_name, {"event": event, **carried}


@pytest.mark.parametrize("deferrable", [True, False])
def test_each_shot_of_a_storyboard_is_a_span_over_its_steps(
    queue: Simulator, spans: Spans, rocket: str, tmp_path: Path, deferrable: bool
) -> None:
    queue.faults.add("failed-content-policy", contains=", bad.", times=99)
    context = traced("film")
    with pytest.raises(GenerationFailed):
        run_storyboard(storyboard(rocket, tmp_path, deferrable=deferrable), context)

    everything = spans.all()
    assert {span.get_span_context().trace_id for span in everything} == {place(context).trace_id}
    first, *later = spans.named("kling.storyboard")
    assert bool(later) == deferrable
    assert attributes([first, *later][-1]) == {
        "kling.connection": "gmi_cloud_default",
        "kling.clips": 3,
        "kling.landed": 2,
        "kling.failed": 1,
        "kling.money": attributes([first, *later][-1])["kling.money"],
        "error.type": "GenerationFailed",
    }
    shots = {attributes(span)["kling.shot"]: span for span in spans.named("kling.shot")}
    assert set(shots) == {"launch", "bad", "moon"}
    assert len(spans.named("kling.shot")) == 3
    for name, shot in shots.items():
        said = attributes(shot)
        assert parent(shot) == first.get_span_context().span_id
        assert said["kling.shot_state"] == ("failed" if name == "bad" else "landed")
        assert ("error.type" in said) == (name == "bad")
        assert shot.status.is_ok == (name != "bad")
        steps = {
            span.name: span
            for span in everything
            if span.parent is not None and span.parent.span_id == shot.get_span_context().span_id
        }
        landed = set() if name == "bad" else {"kling.land"}
        assert set(steps) == {"kling.submit", "kling.wait"} | landed
        # A wait is longer than each of the triggers that have waited, one after the other.
        submitted, waited = steps["kling.submit"], steps["kling.wait"]
        assert waited.start_time <= submitted.end_time + 1_000_000_000
        for step in steps.values():
            assert attributes(step)["kling.shot"] == name
            assert attributes(step)["kling.request_id"] == said["kling.request_id"]
            assert step.end_time <= shot.end_time
    assert PROMPT not in text_of(everything)
    assert queue.api_key not in text_of(everything)


def test_a_storyboard_carries_one_place_however_many_shots_it_has(
    queue: Simulator, spans: Spans, rocket: str, tmp_path: Path
) -> None:
    context = traced("film")
    made = storyboard(rocket, tmp_path)
    deferred = deferral(lambda: made.execute(context))
    first = spans.one("kling.storyboard").get_span_context()
    text = f"00-{first.trace_id:032x}-{first.span_id:016x}-01"
    kwargs = deferred.trigger.serialize()[1]
    assert kwargs["trace"] == deferred.kwargs["trace"] == text
    assert json.dumps([kwargs, deferred.kwargs]).count(f"{first.trace_id:032x}") == 2
