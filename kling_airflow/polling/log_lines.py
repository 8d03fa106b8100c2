"""Log lines of an event loop that must not wait for them.

A triggerer writes its log into a pipe to Airflow's supervisor. While the supervisor hands over triggers, it
reads nothing (Airflow 3.3.2, ``WatchedSubprocess.send_msg``). If another triggerer has died, these are
thousands: with 5,000 more waits the pipe was full, the event loop stood in a log line, and so it never read
what the supervisor was writing. Both stood still for good, and every wait with them. A line that a thread
writes holds up nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any


async def say(write: Callable[..., Any], message: str, *args: Any) -> None:
    """Write a line in a thread, and return when it is written.

    :param write: a logger's method, such as ``log.info``.
    :param args: what ``%`` puts into the message.
    """
    await asyncio.to_thread(write, message, *args)


def say_aside(write: Callable[..., Any], message: str, *args: Any) -> None:
    """Write a line in a thread, without waiting for it; at once where no event loop runs.

    :param write: a logger's method.
    :param args: what ``%`` puts into the message.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        write(message, *args)
    else:
        loop.run_in_executor(None, partial(copy_context().run, write, message, *args))
