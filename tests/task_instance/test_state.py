"""Whether a user has ended a task: three states say so, `skipped` is unclear, and everything else says no."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from kling_airflow.task_instance.state import BY_USER, TaskEnd, cancel_if_ended, end_in, task_end
from tests.airflow_context import connect
from tests.airflow_versions import TaskInstanceState, let_airflow_say

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIVE = sorted({str(state.value) for state in TaskInstanceState} - BY_USER - {"skipped"})


def ti(map_index: int | None = -1) -> SimpleNamespace:
    return SimpleNamespace(dag_id="dag", run_id="run", task_id="submit", map_index=map_index)


@pytest.fixture
def airflow_says(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let Airflow answer with these states, or raise; returns what it was asked."""
    asked: list[dict[str, Any]] = []

    def says(answer: Any) -> list[dict[str, Any]]:
        def get_task_states(**question: Any) -> Any:
            asked.append(question)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        let_airflow_say(monkeypatch, get_task_states)
        return asked

    return says


def test_the_states_are_airflow_s() -> None:
    assert {str(state.value) for state in TaskInstanceState} >= BY_USER | {"skipped"}


@pytest.mark.parametrize("state", sorted(BY_USER))
def test_a_state_that_only_a_user_sets(state: str) -> None:
    assert end_in({"run": {"submit": state}}, "run", "submit", -1) is TaskEnd.BY_USER
    assert end_in({"run": {"submit": TaskInstanceState(state)}}, "run", "submit", -1) is TaskEnd.BY_USER
    assert end_in({"run": {"submit_0": state}}, "run", "submit", 0) is TaskEnd.BY_USER


def test_skipped_does_not_say_by_whom() -> None:
    """A user, ``dagrun_timeout``, and another task's failure under ``fail_fast`` all set it."""
    assert end_in({"run": {"submit": "skipped"}}, "run", "submit", -1) is TaskEnd.UNCLEAR


@pytest.mark.parametrize("state", [*ALIVE, None, "", "FAILED?"])
def test_every_other_state_is_no_end(state: Any) -> None:
    assert end_in({"run": {"submit": state}}, "run", "submit", -1) is TaskEnd.NOT_ENDED


@pytest.mark.parametrize(
    ("others", "end"),
    [
        ({}, TaskEnd.BY_USER),
        ({"other": "success", "another": "running"}, TaskEnd.BY_USER),
        ({"other": "failed"}, TaskEnd.UNCLEAR),
        ({"other": "upstream_failed"}, TaskEnd.UNCLEAR),
    ],
)
def test_under_fail_fast_another_failure_may_have_failed_the_task(
    airflow_says: Any, others: dict[str, str], end: TaskEnd
) -> None:
    airflow_says({"run": {"submit": "failed", **others}})
    assert task_end(ti(), fail_fast=True) is end
    assert task_end(ti()) is TaskEnd.BY_USER


@pytest.mark.parametrize(
    ("states", "map_index"),
    [
        ({}, -1),
        ({"run": {}}, -1),
        ({"another": {"submit": "failed"}}, -1),
        ({"run": {"another": "failed"}}, -1),
        ({"run": {"submit_0": "failed"}}, -1),
        ({"run": {"submit": "failed"}}, 0),
        ({"run": {"submit_1": "failed"}}, 0),
        ({"run": {"submit_10": "failed"}}, 1),
    ],
)
def test_the_end_of_another_task_instance_does_not_count(states: Any, map_index: int) -> None:
    assert end_in(states, "run", "submit", map_index) is TaskEnd.NOT_ENDED


@given(st.integers(min_value=-1, max_value=30), st.integers(min_value=-1, max_value=30))
def test_a_mapped_instance_is_identified_by_its_index(ours: int, ended: int) -> None:
    name = "submit" if ended < 0 else f"submit_{ended}"
    end = end_in({"run": {name: "failed"}}, "run", "submit", ours)
    assert (end is TaskEnd.BY_USER) is (ours == ended)


@pytest.mark.parametrize(
    ("map_index", "name", "asked_for"),
    [(-1, "submit", None), (None, "submit", None), (0, "submit_0", 0), (7, "submit_7", 7)],
)
def test_airflow_is_asked_for_just_this_instance(
    airflow_says: Any, map_index: int | None, name: str, asked_for: int | None
) -> None:
    asked = airflow_says({"run": {name: "failed"}})
    assert task_end(ti(map_index)) is TaskEnd.BY_USER
    assert asked == [{"dag_id": "dag", "task_ids": ["submit"], "run_ids": ["run"], "map_index": asked_for}]


@pytest.mark.parametrize(
    "answer",
    [OSError("gone"), RuntimeError("no supervisor"), TypeError(), None, [], {"run": None}, {"run": "failed"}],
)
def test_if_airflow_can_not_be_asked_no_user_has_ended_the_task(airflow_says: Any, answer: Any) -> None:
    airflow_says(answer)
    assert task_end(ti()) is TaskEnd.NOT_ENDED


def test_without_a_supervisor_there_is_no_end() -> None:
    """As in ``dag.test()`` or a script: the real call, with nobody to answer."""
    assert task_end(ti()) is TaskEnd.NOT_ENDED


def test_a_task_instance_without_ids_has_not_ended() -> None:
    assert task_end(None) is TaskEnd.NOT_ENDED


class Log:
    """Keeps what was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, message: str, *args: Any) -> None:
        self.lines.append(message % args)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator(
        render="fast", submit_seconds=0, faults=({"name": "stuck-queued", "times": 99},)
    ) as simulator:
        yield simulator


class TestCancelling:
    """From the triggerer, against the simulator."""

    @pytest.fixture
    def request_id(self, running: Simulator, monkeypatch: pytest.MonkeyPatch) -> str:
        running.reset()
        connect(monkeypatch, running.base_url, running.api_key)
        with GMIClient(running.api_key, running.base_url) as client:
            return client.submit("kling-v3-text-to-video", {"prompt": "rise"}).request_id

    @pytest.mark.parametrize("map_index", [-1, 3])
    def test_a_task_that_a_user_ended(
        self, running: Simulator, request_id: str, airflow_says: Any, map_index: int
    ) -> None:
        airflow_says({"run": {"submit": "failed", "submit_3": "success"}})
        log = Log()
        asyncio.run(cancel_if_ended(ti(map_index), "gmi_cloud_default", request_id, log))
        assert [entry.outcome for entry in running.ledger()] == ["cancelled"]
        assert log.lines == [f"Request {request_id} was cancelled: its task was ended."]

    def test_a_skipped_task_leaves_the_request_alive(
        self, running: Simulator, request_id: str, airflow_says: Any
    ) -> None:
        airflow_says({"run": {"submit": "skipped"}})
        log = Log()
        asyncio.run(cancel_if_ended(ti(), "nowhere: not even looked up", request_id, log))
        assert [entry.outcome for entry in running.ledger()] == ["queued"]
        (line,) = log.lines
        for words in (request_id, "stays alive", "dagrun_timeout", "fail_fast", "GMI Cloud console"):
            assert words in line

    @pytest.mark.parametrize("answer", [{"run": {"submit": "running"}}, {}, OSError("gone")])
    def test_nothing_else(self, running: Simulator, request_id: str, airflow_says: Any, answer: Any) -> None:
        airflow_says(answer)
        log = Log()
        asyncio.run(cancel_if_ended(ti(), "nowhere: not even looked up", request_id, log))
        assert [entry.outcome for entry in running.ledger()] == ["queued"]
        assert log.lines == [f"Request {request_id} stays alive: no user has ended the task."]

    def test_a_failed_cancel_is_reported(
        self, running: Simulator, request_id: str, airflow_says: Any
    ) -> None:
        airflow_says({"run": {"submit": "failed"}})
        running.faults.add("http-error", call="DELETE /requests/{id}", status=405, message="no")
        log = Log()
        asyncio.run(cancel_if_ended(ti(), "gmi_cloud_default", request_id, log))
        assert log.lines == [f"Request {request_id} could not be cancelled: its task was ended."]
