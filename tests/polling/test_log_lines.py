"""Log lines that hold up no event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextvars import ContextVar

import pytest

from kling_airflow.polling.log_lines import say, say_aside

WITHIN = 10.0
TASK: ContextVar[str] = ContextVar("task", default="")


class FullPipe(logging.Handler):
    """Writes as a triggerer does: not before somebody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.read = threading.Event()
        self.lines: list[str] = []
        self.unread: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        taken = self.lines if self.read.wait(WITHIN) else self.unread
        taken.append(TASK.get() + record.getMessage())


@pytest.fixture
def pipe() -> FullPipe:
    return FullPipe()


@pytest.fixture
def log(pipe: FullPipe) -> logging.Logger:
    log = logging.getLogger("waits")
    log.setLevel(logging.INFO)
    log.handlers.clear()
    log.addHandler(pipe)
    return log


@pytest.mark.parametrize("aside", [False, True])
def test_the_loop_goes_on_while_nobody_reads(pipe: FullPipe, log: logging.Logger, aside: bool) -> None:
    """The event loop itself is what makes the reader read, once all lines are said."""
    texts = [f"wait {number}" for number in range(200)]

    async def lines() -> None:
        if aside:
            for text in texts:
                say_aside(log.info, "%s", text)
            saying = []
        else:
            saying = [asyncio.create_task(say(log.info, "%s", text)) for text in texts]
            await asyncio.sleep(0)
        pipe.read.set()
        await asyncio.gather(*saying)
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(lines())
    assert pipe.unread == []
    assert sorted(pipe.lines) == sorted(texts)


def test_a_line_is_written_when_it_was_said_and_belongs_to_its_task(
    pipe: FullPipe, log: logging.Logger
) -> None:
    async def one() -> list[str]:
        TASK.set("task 7: ")
        await say(log.info, "%s is over", "a")
        return list(pipe.lines)

    pipe.read.set()
    assert asyncio.run(one()) == ["task 7: a is over"]


def test_without_a_loop_a_line_is_written_at_once(pipe: FullPipe, log: logging.Logger) -> None:
    pipe.read.set()
    say_aside(log.info, "%d triggerers", 2)
    assert pipe.lines == ["2 triggerers"]
