"""Running an operator as Airflow would: deferrals through JSON and real triggers, signals from outside."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kling_airflow.gmi.client import GMIClient
from kling_airflow.operators.image_to_video import KlingImageToVideoOperator
from tests.airflow_versions import TaskDeferred, deserialize, serialize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kling_airflow.gmi.request import Request
    from kling_airflow.operators.base import GenerationOperator
    from kling_airflow.simulator import Simulator


def operator(image: str, **fields: Any) -> KlingImageToVideoOperator:
    """Return an operator whose looks and pauses take no time."""
    defaults: dict[str, Any] = {
        "task_id": "submit",
        "prompt": "rise",
        "poll_interval": 0.01,
        "resubmit_delay": 0,
    }
    return KlingImageToVideoOperator(image=image, **(defaults | fields))


def deferral(run: Callable[[], Any]) -> TaskDeferred:
    """Return how a task defers; fail where it doesn't."""
    try:
        result = run()
    except TaskDeferred as deferred:
        return deferred
    raise AssertionError(f"it ended with {result!r}")


def stored(deferred: TaskDeferred) -> tuple[Any, dict[str, Any]]:
    """Return a deferral's trigger and kwargs as they come back out of Airflow's database."""
    from tests.airflow_versions import import_string

    path, kwargs = deferred.trigger.serialize()
    kwargs = deserialize(json.loads(json.dumps(serialize(kwargs))))
    again = deserialize(json.loads(json.dumps(serialize(deferred.kwargs or {}))))
    return import_string(path)(**kwargs), again


def finish(made: GenerationOperator, context: dict[str, Any]) -> Any:
    """Run a task to its end, its deferrals through the triggerer's eyes; timers are not sat out."""
    try:
        return made.execute(context)
    except TaskDeferred as deferred:
        return resume(made, context, deferred)


def resume(made: GenerationOperator, context: dict[str, Any], deferred: TaskDeferred) -> Any:
    """Go on where a task deferred, to its end."""
    while True:
        trigger, kwargs = stored(deferred)
        event = None if "DateTime" in type(trigger).__name__ else asyncio.run(_fired(trigger))
        try:
            return made.resume_execution(deferred.method_name, {"event": event, **kwargs}, context)
        except TaskDeferred as again:
            deferred = again


async def _fired(trigger: Any) -> Any:
    async with asyncio.timeout(120):
        (event,) = [event.payload async for event in trigger.run()]
        return event


def posts(simulator: Simulator) -> int:
    """How many submissions the queue has seen."""
    return simulator.calls().get("POST /requests", 0)


def gets(simulator: Simulator) -> int:
    """How often a request was asked for by its id."""
    return simulator.calls().get("GET /requests/{id}", 0)


def ask(simulator: Simulator, request_id: str) -> Request:
    """Return a request as the queue shows it."""
    with GMIClient(simulator.api_key, simulator.base_url) as client:
        return client.get(request_id)


def until_over(simulator: Simulator, request_id: str) -> Request:
    """Return a request once it has ended."""
    while not (request := ask(simulator, request_id)).status.terminal:
        pass
    return request


@contextmanager
def signalled(number: int, handler: Callable[[], None], when: Callable[[], bool]) -> Iterator[None]:
    """Send this process a signal, once, when a condition has come true; the handler runs as in a worker."""
    before = signal.signal(number, lambda *_: handler())
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.005):
            if when():
                os.kill(os.getpid(), number)
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        signal.signal(number, before)
