"""Tracing that is off costs nothing, and tracing that fails costs no clip and no task."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from kling_airflow.airflow_compat import TaskDeferred
from kling_airflow.errors import GenerationFailed, InvalidArgument
from kling_airflow.gmi.request import Request, Status
from kling_airflow.hooks import airflow_tracer, tracing
from kling_airflow.hooks.shot_span import end_shot, shot_place
from kling_airflow.hooks.span_names import SPANS, SUBMIT, WAIT
from kling_airflow.hooks.tracing import NO_SPAN, attributes, span
from kling_airflow.hooks.wait_span import MAX_EVENTS, WaitSpan
from kling_airflow.operators.storyboard import KlingStoryboardOperator
from kling_airflow.polling.decision import Wait
from kling_airflow.polling.poller import POLLERS_BY_LOOP
from kling_airflow.transfers.clip_to_storage import ClipToObjectStorageOperator
from tests.airflow_context import TaskStateStore, context
from tests.spans import Spans, forget, send_to
from tests.spans import attributes as sent
from tests.spans import spans as spans
from tests.task_fixtures import frames as frames
from tests.task_fixtures import queue as queue
from tests.task_fixtures import rocket as rocket
from tests.task_fixtures import stepping as stepping
from tests.tasks import deferral, finish, operator, posts, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kling_airflow.simulator import Simulator

PLACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    forget()
    yield
    forget()


class TestOff:
    def test_a_step_is_one_object_that_does_nothing(self) -> None:
        with span(SUBMIT, {}, connection="a") as first, span(WAIT, {}) as second:
            first.set(request_id="a")
            assert first is second is NO_SPAN
            assert first.place() is None
        assert tracing.place(context()) is None
        assert WaitSpan.of(Wait("a", 0.0, 1.0), model="m", connection="c") is None

    def test_nothing_is_carried_through_the_database(self, queue: Simulator, rocket: str) -> None:
        deferred = deferral(lambda: operator(rocket, wait_for_completion=True).execute(context()))
        assert "trace" not in deferred.trigger.serialize()[1]
        assert "trace" not in (deferred.kwargs or {})

    def test_no_module_of_opentelemetry_is_imported(self) -> None:
        """Each import is made impossible after Airflow's own: a step, a wait and a shot still work."""
        code = """
import sys
from kling_airflow.airflow_compat import TaskDeferred, conf
conf.get("traces", "otel_on", fallback="")

class Refused:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "opentelemetry":
            raise AssertionError(f"{name} is imported")

for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
    del sys.modules[name]
sys.meta_path.insert(0, Refused())
from kling_airflow.hooks import land_span, shot_span, span_names, tracing, wait_span
from kling_airflow.polling.decision import Wait
with tracing.span(span_names.SUBMIT, {}) as step:
    step.set(request_id="a")
tracing.prepare()
assert tracing.place({}) is None
assert wait_span.WaitSpan.of(Wait("a", 0.0, 1.0), model="m", connection="c") is None
shot_span.end_shot("PLACE", "a", began_at=None, values={})
assert not [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]
print("nothing was imported")
""".replace("PLACE", PLACE)
        environment = {**os.environ, "AIRFLOW__TRACES__OTEL_ON": "False"}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert "nothing was imported" in done.stdout, done.stderr


class Raises(SpanProcessor):
    """A processor that fails whenever it is asked."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("on_start failed for https://collector.example?token=abc")

    def on_end(self, span: Any) -> None:
        raise RuntimeError("on_end failed")

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        raise RuntimeError("force_flush failed")


class RaisesAtTheEnd(Raises):
    """A processor that takes a span, and fails with it."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        span.set_attributes({"begun": True})


class RaisingExporter(SpanExporter):
    """An exporter that fails."""

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        raise ConnectionError("the collector is away")


def _no_tracer() -> None:
    raise ImportError("No module named 'opentelemetry'")


def broken(how: str, patch: pytest.MonkeyPatch) -> None:
    """Turn tracing on, and break it."""
    exporter: Any = RaisingExporter() if how == "exporter" else InMemorySpanExporter()
    kinds: dict[str, Callable[[], SpanProcessor]] = {
        "start": Raises,
        "end": RaisesAtTheEnd,
        "exporter": lambda: SimpleSpanProcessor(exporter),
    }
    send_to(patch, kinds.get(how, Raises)(), exporter)
    if how == "tracer":
        patch.setattr(airflow_tracer, "tracer", _no_tracer)
    elif how == "missing":
        for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
            patch.delitem(sys.modules, name)
        patch.delitem(sys.modules, airflow_tracer.__name__)
        patch.setitem(sys.modules, "opentelemetry", None)


HOW = ["start", "end", "exporter", "tracer", "missing"]


class TestFailing:
    @pytest.mark.parametrize("how", HOW)
    @pytest.mark.parametrize("deferrable", [True, False])
    def test_no_clip_is_lost_and_none_is_bought_twice(
        self,
        queue: Simulator,
        rocket: str,
        tmp_path: Path,
        how: str,
        deferrable: bool,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        task = operator(rocket, wait_for_completion=True, deferrable=deferrable)
        store = TaskStateStore()
        with pytest.MonkeyPatch.context() as patch:
            broken(how, patch)
            clip = finish(task, context(store))
            landed = ClipToObjectStorageOperator(
                task_id="land", clip=clip, destination=(tmp_path / "x.mp4").as_uri()
            ).execute(context())
        assert landed["request_id"] == clip["request_id"]
        assert (tmp_path / "x.mp4").stat().st_size == landed["bytes"]
        assert posts(queue) == len(queue.ledger()) == 1
        assert any(clip["request_id"] in record for record in store.records.values())
        assert "token=abc" not in caplog.text

    @pytest.mark.parametrize("how", HOW)
    def test_no_shot_is_lost(self, queue: Simulator, rocket: str, tmp_path: Path, how: str) -> None:
        shots = [{"name": name, "frame": rocket, "prompt": "Rise.", "duration": 3} for name in "ab"]
        task: Any = KlingStoryboardOperator(
            task_id="film",
            storyboard=shots,
            destination=tmp_path.as_uri(),
            poll_interval=0.01,
            land_every=0,
        )
        with pytest.MonkeyPatch.context() as patch:
            broken(how, patch)
            report = finish(task, context())
        assert report["landed"] == posts(queue) == 2

    def test_the_log_says_it_once(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.MonkeyPatch.context() as patch:
            broken("start", patch)
            for _ in range(3):
                with span(SUBMIT, {}):
                    pass
        (line,) = [each.getMessage() for each in caplog.records if each.name == tracing.__name__]
        assert line.startswith("A span could not be made or sent (RuntimeError).")
        assert "collector.example" not in line

    def test_an_error_of_the_task_is_the_one_that_is_raised(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            broken("end", patch)
            with pytest.raises(InvalidArgument, match="It is wrong"), span(SUBMIT, {}):
                raise InvalidArgument("It is wrong.")

    def test_a_setting_that_cannot_be_read_is_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AIRFLOW__TRACES__OTEL_ON", "perhaps")
        assert tracing.is_on() is False


class TestSteps:
    def test_an_error_is_named_by_its_class_and_its_money(self, spans: Spans) -> None:
        with pytest.raises(GenerationFailed), span(SUBMIT, {}):
            raise GenerationFailed("Request a failed: a rocket nobody may read about.", retryable=False)
        made = spans.one("kling.submit")
        assert sent(made)["error.type"] == "GenerationFailed"
        assert sent(made)["kling.money"] == "not_billed"
        assert sent(made)["kling.order_state"] == "failed"
        assert not made.status.is_ok
        assert "nobody" not in made.to_json()
        assert made.events == ()

    def test_a_deferral_is_no_error(self, spans: Spans) -> None:
        deferred = TaskDeferred(trigger=Any, method_name="resume_submission")
        with pytest.raises(TaskDeferred), span(SUBMIT, {}):
            raise deferred
        made = spans.one("kling.submit")
        assert sent(made) == {"kling.order_state": "paused"}
        assert made.status.is_unset

    def test_a_signal_ends_the_span(self, spans: Spans) -> None:
        with pytest.raises(KeyboardInterrupt), span(SUBMIT, {}):
            raise KeyboardInterrupt
        assert sent(spans.one("kling.submit"))["error.type"] == "KeyboardInterrupt"

    def test_the_span_before_is_current_again(self, spans: Spans) -> None:
        with span(SUBMIT, {}) as outer:
            with span(WAIT, {}) as inner:
                assert tracing.place({}) == inner.place()
            assert tracing.place({}) == outer.place()
        assert tracing.place({}) is None

    @pytest.mark.parametrize("odd", ["", "x", "00-1-2-01", PLACE[:-1], None, 7, [], {"a": 1}, "-" * 3])
    def test_a_place_that_is_none_makes_a_span_all_the_same(self, spans: Spans, odd: Any) -> None:
        with span(SUBMIT, {}, under=odd):
            pass
        made = WaitSpan.of(Wait("a", 0.0, 1.0), model="m", connection="c", under=odd, shot="a")
        assert made is not None
        made.end(InvalidArgument("It is wrong."), {})
        end_shot(odd, "a", began_at=None, values={"shot_state": "failed"})
        assert len(spans.named("kling.submit")) == len(spans.named("kling.wait")) == 1


class TestAttributes:
    @given(
        st.text(max_size=400), st.sampled_from(["Signature", "X-Amz-Signature", "sig", "token", "api_key"])
    )
    def test_nothing_that_signs_is_sent(self, text: str, name: str) -> None:
        address = f"https://user:pass@store.example/a.mp4?{name}=c2VjcmV0"
        for kind in SPANS:
            values = {each.name: f"{text} {address}" for each in kind.attributes}
            for value in attributes(kind, values).values():
                assert "c2VjcmV0" not in str(value)
                assert len(str(value)) <= tracing.MAX_CHARACTERS

    @given(st.dictionaries(st.text(max_size=20), st.text() | st.integers() | st.binary() | st.none()))
    def test_only_what_the_list_has_is_sent(self, values: dict[str, object]) -> None:
        for kind in SPANS:
            assert set(attributes(kind, values)) <= {each.full_name for each in kind.attributes}

    def test_what_is_not_known_is_not_sent(self) -> None:
        values = {"request_id": None, "take": 2, "prompt": "Rise.", "price_usd": 1}
        assert attributes(SUBMIT, values) == {"kling.take": 2, "kling.price_usd": 1.0}


class TestWaits:
    COUNT = 10_000

    def test_a_wait_holds_no_span_and_little_memory(self, spans: Spans) -> None:
        statuses = [Request("a", status=status) for status in (Status.QUEUED, Status.PROCESSING)]
        waits = [Wait(f"request-{number}", 0.0, 1e9) for number in range(self.COUNT)]
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        made = [WaitSpan.of(wait, model="m", connection="c", under=PLACE) for wait in waits]
        for each in made:
            assert each is not None
            for _ in range(3):
                for seen in statuses:
                    each.look(seen)
                    each.look(seen)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert spans.all() == []
        assert (after - before) / self.COUNT < 1500

    def test_a_status_that_goes_back_and_forth_is_bounded(self, spans: Spans) -> None:
        made = WaitSpan.of(Wait("a", 0.0, 1e9), model="m", connection="c")
        assert made is not None
        for _ in range(500):
            made.look(Request("a", status=Status.QUEUED))
            made.look(InvalidArgument("It is wrong."))
        made.end(Request("a", status=Status.SUCCESS), {})
        assert len(spans.one("kling.wait").events) == MAX_EVENTS

    def test_a_wait_that_is_cancelled_has_no_span(self, queue: Simulator, spans: Spans, rocket: str) -> None:
        """Another triggerer goes on with it, and makes the span when it ends."""
        task = operator(rocket, wait_for_completion=True)
        trigger, _ = stored(deferral(lambda: task.execute(context())))
        trigger.poll_interval = 30

        async def first_event() -> Any:
            return await anext(trigger.run())

        async def cancelled() -> None:
            running = asyncio.create_task(first_event())
            async with asyncio.timeout(20):
                while not POLLERS_BY_LOOP.get(asyncio.get_running_loop()):
                    await asyncio.wait([running], timeout=0.01)
            running.cancel()
            await asyncio.wait([running])
            assert running.cancelled()

        asyncio.run(cancelled())
        assert spans.named("kling.wait") == []


class TestShots:
    def test_every_process_knows_the_place_of_a_shot(self) -> None:
        place = shot_place(PLACE, "launch")
        assert place == shot_place(PLACE, "launch")
        assert place != shot_place(PLACE, "moon")
        assert place is not None
        assert place.split("-")[:2] == PLACE.split("-")[:2]
        assert len(place) == len(PLACE)

    def test_the_span_of_a_shot_has_the_id_that_its_steps_hang_under(self, spans: Spans) -> None:
        with span(SUBMIT, {}, under=shot_place(PLACE, "launch"), shot="launch"):
            pass
        end_shot(PLACE, "launch", began_at=1.0, values={"shot_state": "landed"})
        end_shot(PLACE, "moon", began_at=None, values={"shot_state": "landed"})
        step = spans.one("kling.submit")
        first, second = spans.named("kling.shot")
        assert step.parent is not None
        assert step.parent.span_id == first.get_span_context().span_id
        assert first.get_span_context().span_id != second.get_span_context().span_id
        assert first.start_time == 1_000_000_000
