"""Whether a user has ended a task: only four states say so, and silence says no."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.api.datamodels._generated import TaskInstanceState
from hypothesis import given
from hypothesis import strategies as st

from kling_airflow.gmi.client import GMIClient
from kling_airflow.simulator import Simulator
from kling_airflow.task.state import ENDED, cancel_if_ended, ended_by_user, has_ended
from tests.airflow_context import connect

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIVE = sorted({str(state.value) for state in TaskInstanceState} - ENDED)


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

        monkeypatch.setattr(
            "airflow.sdk.execution_time.task_runner.RuntimeTaskInstance.get_task_states",
            staticmethod(get_task_states),
        )
        return asked

    return says


def test_the_four_states_are_airflow_s() -> None:
    assert {str(state.value) for state in TaskInstanceState} >= ENDED


@pytest.mark.parametrize("state", sorted(ENDED))
def test_an_ended_task(state: str) -> None:
    assert has_ended({"run": {"submit": state}}, "run", "submit", -1)
    assert has_ended({"run": {"submit": TaskInstanceState(state)}}, "run", "submit", -1)
    assert has_ended({"run": {"submit_0": state}}, "run", "submit", 0)


@pytest.mark.parametrize("state", [*ALIVE, None, "", "FAILED?"])
def test_every_other_state_is_no_end(state: Any) -> None:
    assert not has_ended({"run": {"submit": state}}, "run", "submit", -1)


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
    assert not has_ended(states, "run", "submit", map_index)


@given(st.integers(min_value=-1, max_value=30), st.integers(min_value=-1, max_value=30))
def test_a_mapped_instance_is_identified_by_its_index(ours: int, ended: int) -> None:
    name = "submit" if ended < 0 else f"submit_{ended}"
    assert has_ended({"run": {name: "failed"}}, "run", "submit", ours) is (ours == ended)


@pytest.mark.parametrize(
    ("map_index", "name", "asked_for"),
    [(-1, "submit", None), (None, "submit", None), (0, "submit_0", 0), (7, "submit_7", 7)],
)
def test_airflow_is_asked_for_just_this_instance(
    airflow_says: Any, map_index: int | None, name: str, asked_for: int | None
) -> None:
    asked = airflow_says({"run": {name: "failed"}})
    assert ended_by_user(ti(map_index))
    assert asked == [{"dag_id": "dag", "task_ids": ["submit"], "run_ids": ["run"], "map_index": asked_for}]


@pytest.mark.parametrize(
    "answer",
    [OSError("gone"), RuntimeError("no supervisor"), TypeError(), None, [], {"run": None}, {"run": "failed"}],
)
def test_if_airflow_can_not_be_asked_no_user_has_ended_the_task(airflow_says: Any, answer: Any) -> None:
    airflow_says(answer)
    assert not ended_by_user(ti())


def test_without_a_supervisor_there_is_no_end() -> None:
    """As in ``dag.test()`` or a script: the real call, with nobody to answer."""
    assert not ended_by_user(ti())


def test_a_task_instance_without_ids_has_not_ended() -> None:
    assert not ended_by_user(None)


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
