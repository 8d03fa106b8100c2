"""The errors of a task that was stopped: what each says of the money, and what the next try does."""

from __future__ import annotations

import pytest

from kling_airflow.errors import GenerationFailed, Money
from kling_airflow.exceptions import airflow_errors
from kling_airflow.task.stop import TaskStopped
from kling_airflow.task_instance.state import TaskEnd
from tests.airflow_versions import AirflowException, AirflowFailException

FAILED = GenerationFailed("Request r failed.", retryable=True, request_id="r")


@pytest.mark.parametrize(
    ("error", "money", "words"),
    [
        (
            TaskStopped.while_submitting(durable=True, sent=True),
            Money.UNKNOWN,
            "looks for it before it sends",
        ),
        (TaskStopped.while_submitting(durable=False, sent=True), Money.UNKNOWN, "keeps no record"),
        (
            TaskStopped.while_waiting("r", end=TaskEnd.NOT_ENDED, cancelled=False),
            Money.HELD,
            "next try waits for the request",
        ),
        (
            TaskStopped.while_waiting("r", end=TaskEnd.BY_USER, cancelled=False),
            Money.HELD,
            "Clear the task to wait",
        ),
        (TaskStopped.while_waiting("r", end=TaskEnd.BY_USER, cancelled=True), Money.CANCELLED, "submit anew"),
        (TaskStopped.before_resubmission(FAILED), Money.NOT_BILLED, "next try submits anew"),
    ],
)
def test_each_error_says_what_happened_what_it_costs_and_what_to_do(
    error: TaskStopped, money: Money, words: str
) -> None:
    assert money.value in str(error)
    assert words in str(error)
    assert not isinstance(error, AirflowFailException), "a retry goes on"
    with pytest.raises(AirflowException) as caught, airflow_errors():
        raise error
    assert caught.value is error
