"""A function says which clip; the task buys it once, as the operator does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.decorators.image_to_video import RETURNED, KlingImageToVideoFunction
from kling_airflow.errors import Money
from tests.airflow_context import TaskStateStore, context
from tests.airflow_versions import AirflowException
from tests.dag_runs import run_dag
from tests.task_fixtures import *  # noqa: F403 -- fixtures are found by their names
from tests.tasks import ask, finish, posts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kling_airflow.simulator import Simulator


def function_task(function: Callable[..., Any], **fields: Any) -> KlingImageToVideoFunction:
    quick = {"poll_interval": 0.01, "resubmit_delay": 0, "duration": 3}
    return KlingImageToVideoFunction(python_callable=function, task_id="submit", **(quick | fields))


def asked(queue: Simulator) -> list[dict[str, Any]]:
    """Return the payloads of all requests."""
    return [dict(ask(queue, entry.request_id).payload or {}) for entry in queue.ledger()]


class TestWhatTheFunctionReturns:
    def test_arguments_go_before_those_of_the_decorator(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__KLING__ALLOWED_SOURCES", "file://")
        made = function_task(
            lambda: {"image": rocket, "prompt": "fall", "duration": 4, "label": "launch"}, prompt="rise"
        )
        clip = finish(made, context())
        assert (clip["duration"], clip["label"], clip["cost_usd"]) == (4, "launch", 0.672)
        assert [payload["prompt"] for payload in asked(queue)] == ["fall"]

    def test_none_is_not_given(self, queue: Simulator, rocket: str) -> None:
        """A price limit that a row of data leaves empty is still the decorator's."""
        nothing = dict.fromkeys(RETURNED) | {"prompt": "fall"}
        clip = finish(function_task(lambda: nothing, image=rocket, duration=4), context())
        assert clip["duration"] == 4
        with pytest.raises(exceptions.InvalidArgument, match="max_cost_usd"):
            function_task(lambda: nothing, image=rocket, duration=5, max_cost_usd=0.5).execute(context())
        assert len(asked(queue)) == 1

    def test_an_address_of_the_function_is_confined_as_data_is(self, queue: Simulator, rocket: str) -> None:
        made = function_task(lambda: {"image": rocket, "prompt": "rise"})
        with pytest.raises(exceptions.InvalidArgument, match="allowed_sources"):
            made.execute(context())

    def test_a_text_is_the_prompt(self, queue: Simulator, rocket: str) -> None:
        clip = finish(function_task(lambda: "rise", image=rocket), context())
        assert [payload["prompt"] for payload in asked(queue)] == ["rise"]
        assert clip["status"] == "success"

    def test_text_of_the_function_is_no_template(self, queue: Simulator, rocket: str) -> None:
        made = function_task(lambda: {"prompt": "{{ 6 * 7 }}"}, image=rocket)
        made.render_template_fields({"ti": context()["ti"]})
        finish(made, context())
        assert [payload["prompt"] for payload in asked(queue)] == ["{{ 6 * 7 }}"]

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (None, "returns a NoneType; it must return a dict of arguments, or a text"),
            ({}, "returns a dict"),
            ({"promt": "rise"}, r"returns `promt`; it may return `image`, `prompt`"),
            ({"wait_for_completion": False}, "returns `wait_for_completion`"),
        ],
    )
    def test_anything_else_is_refused_before_money_is_spent(
        self, queue: Simulator, rocket: str, value: Any, words: str
    ) -> None:
        with pytest.raises(exceptions.InvalidArgument, match=f"`<lambda>` {words}") as caught:
            function_task(lambda: value, image=rocket).execute(context())
        assert caught.value.money is Money.UNSPENT
        with pytest.raises(exceptions.InvalidArgument) as caught:
            function_task(lambda: value, image=rocket).execute(context(try_number=2))
        assert caught.value.money is Money.IN_LEDGER, "an earlier try may have bought"
        assert posts(queue) == 0

    def test_its_values_are_checked_as_the_operators_are(self, queue: Simulator, rocket: str) -> None:
        made = function_task(lambda: {"prompt": "rise", "duration": 99}, image=rocket)
        with pytest.raises(exceptions.InvalidArgument, match="duration.*99"):
            made.execute(context())
        made = function_task(lambda: {"prompt": "rise", "duration": 15}, image=rocket, max_cost_usd=1)
        with pytest.raises(AirflowException, match=r"2\.52"):
            made.execute(context())
        assert posts(queue) == 0


class TestOnce:
    @pytest.mark.parametrize("deferrable", [True, False])
    def test_a_retry_and_a_clear_return_the_clip_that_was_bought(
        self, queue: Simulator, rocket: str, deferrable: bool
    ) -> None:
        store = TaskStateStore()
        first, again = (
            finish(
                function_task(lambda: {"prompt": "rise"}, image=rocket, deferrable=deferrable),
                context(store, try_number=number),
            )
            for number in (1, 2)
        )
        assert first == again
        assert posts(queue) == 1

    def test_the_function_is_called_once_in_a_try(self, queue: Simulator, rocket: str) -> None:
        prompts = iter(["rise", "fall", "turn"])
        queue.faults.add("failed-rate-limit", times=1)
        finish(function_task(lambda: next(prompts), image=rocket, deferrable=True), context())
        assert [payload["prompt"] for payload in asked(queue)] == ["rise", "rise"], "bought again as it was"
        assert next(prompts) == "fall"

    def test_a_retry_that_is_told_otherwise_buys_nothing_more(self, queue: Simulator, rocket: str) -> None:
        store, prompts = TaskStateStore(), iter(["rise", "fall"])
        made = [function_task(lambda: next(prompts), image=rocket, retries=1) for _ in range(2)]
        first = finish(made[0], context(store, max_tries=1))
        assert finish(made[1], context(store, try_number=2, max_tries=1)) == first
        assert posts(queue) == 1

    def test_a_signed_address_is_not_kept(self, queue: Simulator, rocket: str) -> None:
        given = context()
        made = function_task(
            lambda: {"image": f"{queue.base_url}/x.png?X-Amz-Signature=abc", "prompt": "rise"},
        )
        with pytest.raises(AirflowException):
            made.execute(given)
        assert "arguments" not in given["ti"].xcoms


def test_a_wrong_literal_of_the_decorator_is_said_at_parse() -> None:
    with pytest.raises(exceptions.InvalidArgument, match="duration"):
        function_task(lambda: "rise", duration=99)


DAG = """
from tests.airflow_versions import dag, task

@dag(default_args={"retries": 1})
def decorated():
    @task
    def shots():
        return [{"name": "a", "prompt": "{{ 6 * 7 }}"}, {"name": "b", "prompt": "fall"}]

    @task.kling_image_to_video(image="IMAGE", duration=3, poll_interval=1, max_cost_usd=1)
    def clip(shot, run_day, dag_run=None):
        assert dag_run is not None
        return {"prompt": f"{shot['prompt']} on {run_day}", "label": shot["name"]}

    @task.kling_image_to_video(image="IMAGE", duration=3, poll_interval=1)
    def single(words, **context) -> dict:
        return f"{words}, {context['ti'].task_id}"

    clip.partial(run_day="{{ dag_run.run_id[:4] }}").expand(shot=shots())
    single("{{ dag_run.run_id[:4] }}")

decorated()
"""


def test_airflow_runs_it_mapped_and_single(queue: Simulator, rocket: str, dags_folder: Path) -> None:
    run = run_dag(dags_folder, "decorated", DAG.replace("IMAGE", rocket))
    assert run.states == {
        "shots": "success",
        "clip[0]": "success",
        "clip[1]": "success",
        "single": "success",
    }
    prompts = {payload["prompt"] for payload in asked(queue)}
    assert prompts == {"{{ 6 * 7 }} on manu", "fall on manu", "manu, single"}, "data is no template"
    assert run.result("clip[1]")["label"] == "b"
    assert run.result("single")["video_url"]
