"""What a try submits if it asks for something else than an earlier one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from kling_airflow import exceptions
from kling_airflow.submission.order import OnChanged
from kling_airflow.task.options import GenerationOptions
from kling_airflow.task.submission import on_changed_order
from kling_airflow.task.tries import Tries
from tests.airflow_context import TaskStateStore, context
from tests.tasks import operator, posts

if TYPE_CHECKING:
    from pathlib import Path

    from kling_airflow.simulator import Simulator

FIRST = Tries(number=1, max_tries=2, retries=2)
RETRY = Tries(number=2, max_tries=2, retries=2)
CLEARED = Tries(number=3, max_tries=4, retries=2)
RETRY_AFTER_CLEAR = Tries(number=4, max_tries=4, retries=2)


def options(**fields: Any) -> GenerationOptions:
    return GenerationOptions.read(vars(operator("s3://b/a.png", **fields)))


@pytest.mark.parametrize(
    ("fields", "in_tries"),
    [
        ({}, "submit reuse submit reuse"),
        ({"on_changed_request": "submit"}, "submit submit submit submit"),
        ({"on_changed_request": "fail"}, "fail fail fail fail"),
        ({"on_clear": "buy"}, "submit reuse submit reuse"),
        ({"on_clear": "buy", "on_changed_request": "fail"}, "fail fail submit reuse"),
    ],
)
def test_what_each_try_does(fields: dict[str, Any], in_tries: str) -> None:
    made = options(**fields)
    decided = [on_changed_order(made, tries) for tries in (FIRST, RETRY, CLEARED, RETRY_AFTER_CLEAR)]
    assert decided == [OnChanged(word) for word in in_tries.split()]


class TestATemplateThatTellsTheTime:
    """It renders another prompt in each try."""

    def run(self, store: TaskStateStore, tries: Tries, prompt: str, image: str, **fields: Any) -> str:
        given = context(store, try_number=tries.number, max_tries=tries.max_tries)
        request_id: str = operator(image, prompt=prompt, retries=tries.retries, **fields).execute(given)
        return request_id

    def test_an_automatic_retry_buys_nothing(
        self, queue: Simulator, rocket: str, logged: Callable[[], str]
    ) -> None:
        store = TaskStateStore()
        first = self.run(store, FIRST, "10:00", rocket)
        assert self.run(store, RETRY, "10:01", rocket) == first
        assert posts(queue) == 1
        assert f"Request {first} is used" in logged()

    def test_the_object_storage_ledger_knows_the_first_order_too(
        self, queue: Simulator, rocket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AIRFLOW__KLING__DEPLOYMENT", "test")
        ledger = tmp_path.as_uri()
        first = self.run(TaskStateStore(), FIRST, "10:00", rocket, ledger=ledger)
        assert self.run(TaskStateStore(), RETRY, "10:01", rocket, ledger=ledger) == first
        assert posts(queue) == 1

    def test_a_try_that_a_user_asked_for_buys_the_new_clip(self, queue: Simulator, rocket: str) -> None:
        store = TaskStateStore()
        first = self.run(store, FIRST, "10:00", rocket)
        second = self.run(store, CLEARED, "10:02", rocket)
        assert second != first
        assert posts(queue) == 2

    def test_a_failed_request_is_not_reused(self, queue: Simulator, rocket: str) -> None:
        """It isn't billed, and another prompt is what its error asks for."""
        store = TaskStateStore()
        queue.faults.add("failed-rate-limit")
        waits = {"wait_for_completion": True, "deferrable": False, "resubmit_on": "never"}
        with pytest.raises(exceptions.GenerationFailedForNow):
            self.run(store, FIRST, "10:00", rocket, **waits)
        self.run(store, RETRY, "10:01", rocket, **waits)
        assert [entry.billed for entry in queue.ledger()] == [False, True]

    def test_a_lost_request_of_the_first_try_is_a_question(
        self, queue: Simulator, rocket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = TaskStateStore()
        with monkeypatch.context() as patch:
            patch.setattr("kling_airflow.submission.ledger_access.LedgerAccess.store_id", _die)
            with pytest.raises(KeyboardInterrupt):
                self.run(store, FIRST, "10:00", rocket)
        with pytest.raises(exceptions.UnresolvedSubmission, match="Nothing was sent"):
            self.run(store, RETRY, "10:01", rocket)
        (entry,) = queue.ledger()
        assert self.run(store, RETRY, "10:00", rocket) == entry.request_id
        assert posts(queue) == 1


def _die(*_: Any) -> None:
    """Stand for a worker that dies after the POST and before its response is stored."""
    raise KeyboardInterrupt
