"""What a task's log says of an error: what happened, the money and what to do, on a line each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from kling_airflow import errors, exceptions
from kling_airflow.exceptions import saying, task_errors
from kling_airflow.sensors.request import GMICloudRequestSensor
from tests.airflow_context import context
from tests.task_fixtures import *  # noqa: F403 -- fixtures are found by their names
from tests.tasks import operator

if TYPE_CHECKING:
    from kling_airflow.simulator import Simulator

log = logging.getLogger(__name__)
CREDIT = """\
Insufficient credits.
No money was spent.
Add credit in the GMI Cloud console, then clear the task."""


def test_it_is_said_once_in_three_lines(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(exceptions.InsufficientCredits), saying(log), task_errors(log), task_errors(log):
        raise errors.InsufficientCredits("Insufficient credits.")
    assert [record.getMessage() for record in caplog.records] == [CREDIT]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].exc_info is None


def test_what_is_the_readers_to_mend_has_no_traceback_of_a_library() -> None:
    def meet(error: errors.KlingError) -> BaseException | None:
        with pytest.raises(exceptions.AirflowException) as caught, task_errors(log):
            raise error from ValueError("deep inside")
        assert caught.value.__suppress_context__
        return caught.value.__cause__

    assert meet(errors.InvalidArgument("wrong")) is None
    assert isinstance(meet(errors.Unreachable("down")), ValueError)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_task_says_it(queue: Simulator, rocket: str, logged: Callable[[], str], deferrable: bool) -> None:
    with pytest.raises(exceptions.Unauthorized):
        operator(rocket, gmi_conn_id="nowhere", deferrable=deferrable).execute(context())
    said = logged()
    assert "`nowhere` is not defined" in said
    assert "\nNo money was spent.\n" in said


def test_a_sensor_says_it(queue: Simulator, logged: Callable[[], str]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        GMICloudRequestSensor(task_id="wait", request_id="{{ x }}").execute(context())
    assert "\nNo money was spent.\n" in logged()
