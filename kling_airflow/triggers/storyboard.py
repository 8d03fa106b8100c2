"""The trigger that waits for all requests of a storyboard at once. It holds no worker slot."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from kling_airflow.arguments import switch_or_none
from kling_airflow.errors import InvalidArgument, KlingError, PollerCrashed
from kling_airflow.polling.decision import Wait, checked_interval, to_event
from kling_airflow.polling.log_lines import say
from kling_airflow.triggers.request_wait import RequestWait, summary

if TYPE_CHECKING:
    from kling_airflow.gmi.request import Request

LOG_EVERY: Final = 60.0
"""Seconds between two progress lines in the task's log."""


class GMICloudStoryboardTrigger(BaseTrigger):
    """Wait for many requests over one poller, then fire one event with those that have ended.

    It fires when all have ended, ``gather`` seconds after the first has, or at ``wake_at``. Airflow stores
    the arguments in its database as plain JSON: ids and times, never a key.

    :param gmi_conn_id: the connection's id.
    :param requests: of each shot ``[request id, deadline in Unix seconds, index into models]``.
    :param models: the models of the requests.
    :param started_at: when the wait began, in Unix seconds.
    :param poll_interval: seconds between two looks at one request.
    :param unreachable_after: seconds without any good response of the queue after which a wait gives up.
    :param gather: seconds, after the first request has ended, in which the trigger waits for others.
    :param wake_at: when the trigger fires at the latest, in Unix seconds; None for no such time.
    :param cancel_on_kill: cancel the requests if a user ends the waiting task.
    :param trace: the place of the storyboard's first span (W3C ``traceparent``); None if tracing is off.
    :param timeout: seconds from the begin of a wait to its deadline, for its span; None if tracing is off.
    :param tolerated: arguments of another version of this package, kept as they are.
    """

    def __init__(
        self,
        *,
        gmi_conn_id: str,
        requests: Mapping[str, list[Any]],
        models: list[str],
        started_at: float,
        poll_interval: float = 10.0,
        unreachable_after: float = 1800.0,
        gather: float = 60.0,
        wake_at: float | None = None,
        cancel_on_kill: bool = False,
        trace: str | None = None,
        timeout: float | None = None,
        **tolerated: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.gmi_conn_id = gmi_conn_id
        self.requests = dict(requests)
        self.models = list(models)
        self.started_at = started_at
        self.poll_interval = poll_interval
        self.unreachable_after = unreachable_after
        self.gather = gather
        self.wake_at = wake_at
        self.cancel_on_kill = cancel_on_kill
        self.trace = trace
        self.timeout = timeout
        self.tolerated = tolerated
        self._ended: dict[str, Request | KlingError] = {}
        self._fired = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        return (
            "kling_airflow.triggers.storyboard.GMICloudStoryboardTrigger",
            {
                "gmi_conn_id": self.gmi_conn_id,
                "requests": self.requests,
                "models": self.models,
                "started_at": self.started_at,
                "poll_interval": self.poll_interval,
                "unreachable_after": self.unreachable_after,
                "gather": self.gather,
                "wake_at": self.wake_at,
                "cancel_on_kill": self.cancel_on_kill,
                **({} if self.trace is None else {"trace": self.trace, "timeout": self.timeout}),
                **self.tolerated,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait until enough requests have ended, then fire one event."""
        try:
            waits = {name: self._wait(name, values) for name, values in self.requests.items()}
        except (InvalidArgument, TypeError, ValueError, IndexError) as error:
            self._fired = True
            yield TriggerEvent({"error": f"The trigger's arguments can't be used: {error}"})
            return
        running = {asyncio.create_task(wait.end()): name for name, wait in waits.items()}
        try:
            await self._gathered(running)
        finally:
            for each in running:
                each.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        self._fired = True
        yield TriggerEvent({"ended": {name: to_event(end) for name, end in self._ended.items()}})

    async def on_kill(self) -> None:
        """Cancel the requests that go on, but only if the task's state says that a user ended the task."""
        try:
            may_cancel = switch_or_none("cancel_on_kill", self.cancel_on_kill) is True
        except InvalidArgument:  # a value that is no switch is no permission
            may_cancel = False
        alive = [str(values[0]) for name, values in self.requests.items() if name not in self._ended]
        if may_cancel and alive and not self._fired:
            from kling_airflow.task_instance.state import cancel_all_if_ended

            await cancel_all_if_ended(self.task_instance, self.gmi_conn_id, alive, self.logger())

    def _wait(self, name: str, values: list[Any]) -> RequestWait:
        """Return the wait for one request.

        :raises InvalidArgument: for an argument that can't be used.
        """
        from kling_airflow.hooks.shot_span import shot_place

        request_id, deadline, model = values
        return RequestWait(
            self.gmi_conn_id,
            Wait(
                request_id=request_id,
                started_at=self.started_at,
                deadline=deadline,
                unreachable_after=self.unreachable_after,
            ).checked(),
            model=self.models[model],
            poll_interval=checked_interval(self.poll_interval),
            log=self.logger(),
            log_every=math.inf,
            ti=self.task_instance,
            trace=shot_place(self.trace, name),
            shot=name,
            began_at=deadline - self.timeout if isinstance(self.timeout, int | float) else None,
        )

    async def _gathered(self, running: dict[asyncio.Task[Request | KlingError], str]) -> None:
        """Wait until enough requests have ended; tell the log once a minute, and of each that ends."""
        log, total = self.logger(), len(running)
        await say(log.info, "Waiting for %d requests", total)
        fire_at = math.inf if self.wake_at is None else float(self.wake_at)
        logged_at, any_ended = time.time(), False
        while (running or not total) and (now := time.time()) < fire_at:
            pause = max(0.0, min(fire_at - now, logged_at + LOG_EVERY - now))
            if not running:
                await asyncio.sleep(pause)
                done: set[asyncio.Task[Request | KlingError]] = set()
            else:
                done, _ = await asyncio.wait(running, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                name = running.pop(task)
                self._ended[name] = end = _end_of(task, str(self.requests[name][0]))
                await say(log.info, "Shot %s: %s", name, summary(end))
            if done and not any_ended:
                any_ended, fire_at = True, min(fire_at, time.time() + self.gather)
            if time.time() - logged_at >= LOG_EVERY:
                logged_at = time.time()
                await say(log.info, "%d of %d requests have ended", len(self._ended), total)


def _end_of(task: asyncio.Task[Request | KlingError], request_id: str) -> Request | KlingError:
    """Return how a wait ended; a poller that broke down ends only the waits that it held."""
    try:
        return task.result()
    except PollerCrashed as error:
        return error.about(request_id)
