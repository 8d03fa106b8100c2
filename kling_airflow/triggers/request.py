"""The trigger that waits for a request. It holds no worker slot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from kling_airflow.errors import KlingError, PollerCrashed
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.polling.decision import Wait, to_event

if TYPE_CHECKING:
    from kling_airflow.gmi.request import Request
    from kling_airflow.polling.poller import Poller

LOG_EVERY: Final = 60.0
"""Seconds between two progress lines in the task's log."""
POLLER_STARTS: Final = 3
"""How many pollers may break down before the trigger fails."""


class GMICloudRequestTrigger(BaseTrigger):
    """Wait until a request's clip is there or the wait is over, then fire one event that says which.

    Airflow stores the arguments in its database as plain JSON: ids and times, never a key.

    :param gmi_conn_id: the connection's id.
    :param request_id: the request to wait for.
    :param model: the request's model.
    :param poll_interval: seconds between two looks.
    :param started_at: when the wait began, in Unix seconds.
    :param deadline: when the wait gives up, in Unix seconds: a restart of the triggerer does not extend it.
    :param unreachable_after: seconds without any good response of the queue after which the wait gives up.
    :param cancel_on_kill: cancel the request if a user ends the waiting task.
    :param tolerated: arguments of another version of this package. They are kept, so that neither an upgrade
        nor a downgrade fails a waiting task.
    """

    def __init__(
        self,
        *,
        gmi_conn_id: str,
        request_id: str,
        deadline: float,
        started_at: float,
        model: str = IMAGE_TO_VIDEO,
        poll_interval: float = 10.0,
        unreachable_after: float = 1800.0,
        cancel_on_kill: bool = False,
        **tolerated: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cancel_on_kill = cancel_on_kill
        self._fired = False
        self.gmi_conn_id = gmi_conn_id
        self.model = model
        self.poll_interval = poll_interval
        self.tolerated = tolerated
        self.wait = Wait(
            request_id=request_id,
            started_at=started_at,
            deadline=deadline,
            unreachable_after=unreachable_after,
        )

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class path and the arguments."""
        return (
            "kling_airflow.triggers.request.GMICloudRequestTrigger",
            {
                "gmi_conn_id": self.gmi_conn_id,
                "request_id": self.wait.request_id,
                "model": self.model,
                "poll_interval": self.poll_interval,
                "started_at": self.wait.started_at,
                "deadline": self.wait.deadline,
                "unreachable_after": self.wait.unreachable_after,
                "cancel_on_kill": self.cancel_on_kill,
                **self.tolerated,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the end, then fire one event."""
        log = self.logger()  # the class's logger: ten thousand loggers would slow each garbage collection
        log.info("Waiting for request %s until %s", self.wait.request_id, time.ctime(self.wait.deadline))
        end = await self._end()
        log.info("The wait for request %s is over: %s", self.wait.request_id, _summary(end))
        self._fired = True
        yield TriggerEvent(to_event(end))

    async def on_kill(self) -> None:
        """Cancel the request, but only if the task's state says that a user ended the task."""
        if self.cancel_on_kill and not self._fired:
            from kling_airflow.task.state import cancel_if_ended

            await cancel_if_ended(self.task_instance, self.gmi_conn_id, self.wait.request_id, self.logger())

    async def _end(self) -> Request | KlingError:
        from kling_airflow.triggers.poller_connection import connect

        for start in range(1, POLLER_STARTS + 1):
            poller = await connect(self.gmi_conn_id, self.wait, self.poll_interval, self.logger())
            if isinstance(poller, KlingError):
                return poller
            try:
                return await self._wait_with(poller)
            except PollerCrashed:
                if start == POLLER_STARTS:
                    raise
                self.logger().exception("The trigger goes on waiting with a new poller.")
                await asyncio.sleep(self.poll_interval)
        raise AssertionError("unreachable")

    async def _wait_with(self, poller: Poller) -> Request | KlingError:
        loop = asyncio.get_running_loop()
        with poller.add_waiter(self.wait, model=self.model, interval=self.poll_interval) as waiter:
            while (end := await waiter.result(within=LOG_EVERY)) is None:
                next_look = max(0.0, (waiter.next_look_at or 0.0) - loop.time())
                self.logger().info(
                    "%s: %s; next look in %.0f s", self.wait.request_id, _summary(waiter.last_seen), next_look
                )
        return end


def _summary(seen: Request | KlingError | None) -> str:
    if seen is None:
        return "not looked at yet"
    if isinstance(seen, KlingError):
        return seen.what
    age = "" if seen.created_at is None else f", {time.time() - seen.created_at:.0f} s old"
    return f"{seen.status_text or seen.status}{age}"
