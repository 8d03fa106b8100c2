"""The stop flag, set by a real signal handler."""

from __future__ import annotations

import signal
import time

import pytest

from kling_airflow.task.stop_flag import StopFlag, Stopped
from tests.tasks import signalled


def test_a_sleep_lasts_as_long_as_it_should() -> None:
    began = time.monotonic()
    StopFlag().sleep(0.05)
    assert time.monotonic() - began >= 0.05


def test_a_signal_ends_a_long_sleep() -> None:
    stop, began = StopFlag(), time.monotonic()
    with (
        signalled(signal.SIGTERM, stop.set, lambda: time.monotonic() - began > 0.05),
        pytest.raises(Stopped),
    ):
        stop.sleep(600)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("seconds", [0, -1, 600])
def test_a_set_flag_ends_every_sleep(seconds: float) -> None:
    stop = StopFlag()
    stop.check()
    stop.set()
    with pytest.raises(Stopped):
        stop.sleep(seconds)
    with pytest.raises(Stopped):
        stop.check()
