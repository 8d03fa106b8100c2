"""With the settings of the docs, a run's spans arrive at a collector, whatever Airflow it is."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from packaging.version import Version

from kling_airflow.hooks import airflow_tracer
from kling_airflow.hooks.span_names import SUBMIT
from kling_airflow.hooks.tracing import span
from tests.airflow_versions import AIRFLOW
from tests.collector import Collector, collecting
from tests.dag_runs import run_dag
from tests.spans import forget, set_provider
from tests.task_fixtures import queue as queue
from tests.task_fixtures import stepping as stepping

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kling_airflow.simulator import Simulator

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "traces.md"
PROMPT = "a rocket of which no span may tell"
DAG = """
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from kling_airflow.airflow_compat import DAG

with DAG("traced", schedule=None):
    buy = KlingImageToVideoOperator(
        task_id="buy", image={image!r}, prompt={prompt!r}, duration=3, wait_for_completion=True
    )
    ClipToObjectStorageOperator(
        task_id="land", clip=buy.output, destination={destination!r}, prompt={prompt!r}
    )
"""


def settings(version: str) -> dict[str, str]:
    """Return the variables that the page gives for a version of Airflow."""
    part = re.compile(r"^\*\*(Airflow [^*]+)\*\*[^\n]*\n\n```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
    blocks = part.findall(PAGE.read_text())
    title = "Airflow 3.2 and later" if Version("3.2") <= Version(version) else "Airflow 2.11 to 3.1"
    (block,) = [text for name, text in blocks if name == title]
    return dict(re.findall(r"export (\w+)=(\S+)", block))


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector, and Airflow's tracing set up as the page says."""
    with collecting() as running, pytest.MonkeyPatch.context() as patch:
        for name in ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_RESOURCE_ATTRIBUTES"):
            patch.delenv(name, raising=False)
        for name, value in settings(str(AIRFLOW)).items():
            here = value.replace("collector.example", "127.0.0.1").replace("4318", str(running.port))
            patch.setenv(name, here)
        forget()
        if Version("3.2") <= AIRFLOW:
            from airflow.configuration import conf

            set_provider(patch, None)
            import_module("airflow._shared.observability.traces").configure_otel(conf)
        yield running
        flushed()
        ended()
    forget()


HAS_PLACE = AIRFLOW.major == 2 or Version("3.2") <= AIRFLOW
"""Whether ``dag.test()`` has a place for a span; 3.0 and 3.1 give a task one only with a scheduler."""


def around() -> AbstractContextManager[Any]:
    """What Airflow has around a task from 3.2 on, and ``dag.test()`` has not: a current span."""
    if Version("3.2") > AIRFLOW:
        return nullcontext()
    return trace.get_tracer("airflow").start_as_current_span("dag.test")


def flushed() -> None:
    """Hand over what still waits in this process."""
    provider: Any = trace.get_tracer_provider()
    processor: Any = provider if Version("3.2") <= AIRFLOW else airflow_tracer.tracer()
    assert getattr(processor, "span_processor", processor).force_flush()


def ended() -> None:
    """End the thread that sends: a process that is forked while it works may wait for its locks for ever."""
    if Version("3.2") > AIRFLOW:
        processor: Any = airflow_tracer.tracer()
        processor.span_processor.shutdown()


def test_a_runs_spans_arrive_in_one_trace(
    queue: Simulator, collector: Collector, dags_folder: Path, rocket: str, tmp_path: Path
) -> None:
    source = DAG.format(image=rocket, prompt=PROMPT, destination=(tmp_path / "x.mp4").as_uri())
    with around():
        run = run_dag(dags_folder, "traced", source)
    assert run.states == {"buy": "success", "land": "success"}
    flushed()

    ours = [span for span in collector.spans if span.name.startswith("kling.")]
    assert sorted(span.name for span in ours) == ["kling.land", "kling.submit", "kling.wait"]
    assert {span.scope for span in ours} == {airflow_tracer.SCOPE}
    assert {span.service for span in ours} == {"airflow"}
    by_name = {span.name: span for span in ours}
    assert by_name["kling.wait"].trace_id == by_name["kling.submit"].trace_id
    assert by_name["kling.wait"].parent_id
    assert len({span.attributes["kling.request_id"] for span in ours}) == 1
    if HAS_PLACE:
        assert len({span.trace_id for span in ours}) == 1
        assert all(span.parent_id for span in ours)
    said = b"\n".join(collector.bodies)
    for secret in (PROMPT, queue.api_key, "X-Amz-", "Signature="):
        assert secret.encode() not in said


def test_a_tasks_process_that_ends_at_once_has_sent_its_spans(collector: Collector) -> None:
    """A worker forks a process for each task, which ends without Python's own exit."""
    child = os.fork()
    if child == 0:
        with suppress(BaseException), at_the_end_of_a_task(), span(SUBMIT, {}) as step:
            step.set(request_id="a")
        os._exit(0)
    os.waitpid(child, 0)
    (sent,) = [each for each in collector.spans if each.name == "kling.submit"]
    assert sent.attributes == {"kling.request_id": "a"}


def at_the_end_of_a_task() -> AbstractContextManager[Any]:
    """What Airflow does itself when a task's process ends: from 3.2 on it hands over the spans."""
    if Version("3.2") > AIRFLOW:
        return nullcontext()
    made: AbstractContextManager[Any] = import_module("airflow.sdk.execution_time.task_runner").flush_spans()
    return made


@pytest.mark.skipif(Version("3.2") <= AIRFLOW, reason="from 3.2 on Airflow hands the spans over")
def test_a_collector_that_does_not_respond_holds_no_task_up(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow_tracer, "FLUSH_SECONDS", 0.5)
    collector.responds.clear()
    try:
        with span(SUBMIT, {}):
            pass
        assert not collector.responds.is_set()
    finally:
        collector.responds.set()
    flushed()
    assert [each.name for each in collector.spans] == ["kling.submit"]


def test_the_settings_of_the_page_are_those_of_airflow() -> None:
    from airflow.configuration import conf

    for name in settings(str(AIRFLOW)):
        if name.startswith("AIRFLOW__"):
            section, option = name.removeprefix("AIRFLOW__").lower().split("__")
            assert conf.has_option(section, option), name
            described = conf.configuration_description[section]["options"][option]
            assert not described.get("version_deprecated"), name
        else:
            assert Version("3.2") <= AIRFLOW, name
