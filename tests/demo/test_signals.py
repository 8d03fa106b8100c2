"""A stopping signal interrupts, except where that would lose a process."""

from __future__ import annotations

import os
import signal

import pytest

from kling_airflow.demo.signals import STOPPING, Interruptions


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOPPING)
def test_each_of_them_interrupts(number: int) -> None:
    with Interruptions().watched(), pytest.raises(KeyboardInterrupt):
        send(number)


def test_a_held_block_is_finished_first() -> None:
    interruptions = Interruptions()
    finished = []

    def block() -> None:
        with interruptions.held():
            send(signal.SIGTERM)
            finished.append(True)

    with interruptions.watched(), pytest.raises(KeyboardInterrupt):
        block()
    assert finished


def test_a_signal_while_stopping_is_dropped() -> None:
    interruptions = Interruptions()
    with interruptions.watched():
        with interruptions.ignored():
            send(signal.SIGINT)
        with interruptions.held():
            pass


def test_the_handlers_of_before_come_back() -> None:
    before = [signal.getsignal(number) for number in STOPPING]
    with Interruptions().watched():
        assert [signal.getsignal(number) for number in STOPPING] != before
    assert [signal.getsignal(number) for number in STOPPING] == before
