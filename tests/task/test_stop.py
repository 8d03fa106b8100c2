"""Sleeping that heeds the wish to end, from a real signal handler."""

from __future__ import annotations

import signal
import time

import pytest

from kling_airflow.errors import GenerationFailed, Money
from kling_airflow.exceptions import airflow_errors
from kling_airflow.task.stop import StopFlag, Stopped, TaskStopped
from tests.airflow_versions import AirflowException, AirflowFailException
from tests.tasks import signalled


def test_a_sleep_lasts_as_long_as_it_should() -> None:
    began = time.monotonic()
    StopFlag().sleep(0.05)
    assert time.monotonic() - began >= 0.05


def test_a_signal_ends_a_long_sleep() -> None:
    stopping, began = StopFlag(), time.monotonic()
    with (
        signalled(signal.SIGTERM, stopping.ask, lambda: time.monotonic() - began > 0.05),
        pytest.raises(Stopped),
    ):
        stopping.sleep(600)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("seconds", [0, -1, 600])
def test_who_was_told_to_end_sleeps_no_more(seconds: float) -> None:
    stopping = StopFlag()
    stopping.check()
    stopping.ask()
    with pytest.raises(Stopped):
        stopping.sleep(seconds)
    with pytest.raises(Stopped):
        stopping.check()


FAILED = GenerationFailed("Request r failed.", retryable=True, request_id="r")


@pytest.mark.parametrize(
    ("error", "money", "words"),
    [
        (TaskStopped.while_submitting(durable=True), Money.UNKNOWN, "looks for it before it sends"),
        (TaskStopped.while_submitting(durable=False), Money.UNKNOWN, "remembers nothing"),
        (TaskStopped.while_waiting("r", over=False, cancelled=False), Money.HELD, "next try waits for it"),
        (TaskStopped.while_waiting("r", over=True, cancelled=False), Money.HELD, "Clear the task to wait"),
        (TaskStopped.while_waiting("r", over=True, cancelled=True), Money.CANCELLED, "submit anew"),
        (TaskStopped.between_two(FAILED), Money.NOT_BILLED, "next try submits anew"),
    ],
)
def test_each_says_what_happened_what_it_costs_and_what_to_do(
    error: TaskStopped, money: Money, words: str
) -> None:
    assert money.value in str(error)
    assert words in str(error)
    assert not isinstance(error, AirflowFailException), "a retry goes on"
    with pytest.raises(AirflowException) as caught, airflow_errors():
        raise error
    assert caught.value is error
