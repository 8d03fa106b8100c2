"""The trigger that waits for a request. It holds no worker slot."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from kling_airflow.arguments import switch_or_none
from kling_airflow.errors import InvalidArgument, KlingError, PollerCrashed, Unauthorized
from kling_airflow.gmi.json_values import plain_text
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.polling.decision import Wait, checked_interval, to_event
from kling_airflow.redaction import shown_value

if TYPE_CHECKING:
    from kling_airflow.gmi.request import Request
    from kling_airflow.polling.poller import Poller
    from kling_airflow.polling.waiter import Waiter

LOG_EVERY: Final = 60.0
"""Seconds between two progress lines in the task's log."""
MAX_ID_CHARACTERS: Final = 250
"""Length of an id in Airflow's database."""
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
        try:
            self._check()
        except InvalidArgument as error:
            end: Request | KlingError = error.about(plain_text(self.wait.request_id))
        else:
            log.info("Waiting for request %s until %s", self.wait.request_id, time.ctime(self.wait.deadline))
            end = await self._end()
        log.info("The wait for request %s is over: %s", plain_text(self.wait.request_id), _summary(end))
        self._fired = True
        yield TriggerEvent(to_event(end))

    async def on_kill(self) -> None:
        """Cancel the request, but only if the task's state says that a user ended the task."""
        try:
            may_cancel = self._may_cancel()
        except InvalidArgument:  # a value that is no switch is no permission
            may_cancel = False
        if may_cancel and not self._fired:
            from kling_airflow.task_instance.state import cancel_if_ended

            await cancel_if_ended(self.task_instance, self.gmi_conn_id, self.wait.request_id, self.logger())

    def _check(self) -> None:
        """Read every argument as what it means. The constructor must not raise: Airflow would not start.

        :raises InvalidArgument: for an argument that can't be used, whatever its type.
        """
        self.wait = self.wait.checked()
        self.poll_interval = checked_interval(self.poll_interval)
        if self.model is None or (isinstance(self.model, str) and not self.model.strip()):
            self.model = IMAGE_TO_VIDEO
        for name, value in (("gmi_conn_id", self.gmi_conn_id), ("model", self.model)):
            if not isinstance(value, str) or not value.strip() or len(value) > MAX_ID_CHARACTERS:
                what = f"`{name}` is {shown_value(value)}; it must be a text"
                raise InvalidArgument(f"{what} of 1 to {MAX_ID_CHARACTERS} characters.")
        self._may_cancel()

    def _may_cancel(self) -> bool:
        """Return whether the request may be cancelled.

        :raises InvalidArgument: for a value that is no switch.
        """
        try:
            return switch_or_none("cancel_on_kill", self.cancel_on_kill) is True
        except (InvalidArgument, ValueError, RecursionError):  # the latter: a value whose text can't be made
            what = f"`cancel_on_kill` is {shown_value(self.cancel_on_kill)}; it must be True or False."
            raise InvalidArgument(what) from None

    async def _end(self) -> Request | KlingError:
        from kling_airflow.triggers.poller_connection import connect

        starts = 0
        while True:
            poller = await connect(self.gmi_conn_id, self.wait, self.poll_interval, self.logger())
            if isinstance(poller, KlingError):
                return poller
            try:
                end = await self._wait_with(poller)
            except PollerCrashed:
                starts += 1
                if starts == POLLER_STARTS:
                    raise
                self.logger().exception("The trigger goes on waiting with a new poller.")
                await asyncio.sleep(self.poll_interval)
                continue
            if end is not None:
                return end
            self.logger().info("The connection `%s` has changed; the wait goes on with it.", self.gmi_conn_id)

    async def _wait_with(self, poller: Poller) -> Request | KlingError | None:
        """Return what ended the wait, or None if the connection has another key than this poller."""
        loop, refusal_logged_at = asyncio.get_running_loop(), -math.inf
        with poller.add_waiter(self.wait, model=self.model, interval=self.poll_interval) as waiter:
            while True:
                end = await waiter.result(within=LOG_EVERY)
                refused = isinstance(waiter.last_seen, Unauthorized)
                if refused and not await self._key_is_current(poller, waiter, end):
                    return None
                if end is not None:
                    return self._refused(end, waiter.refused_since) if refused else end
                if refused and loop.time() - refusal_logged_at < LOG_EVERY:
                    continue
                refusal_logged_at = loop.time() if refused else -math.inf
                next_look = max(0.0, (waiter.next_look_at or 0.0) - loop.time())
                self.logger().info(
                    "%s: %s; next look in %.0f s", self.wait.request_id, _summary(waiter.last_seen), next_look
                )

    async def _key_is_current(self, poller: Poller, waiter: Waiter, end: Request | KlingError | None) -> bool:
        """Return whether the connection, read again, has the key that the queue refuses."""
        from kling_airflow.triggers.poller_connection import read_again

        try:
            current = await read_again(self.gmi_conn_id)
        except KlingError:
            return True  # a missing connection has no other key
        if current is None:
            # The current key is not known, so its refusal is not either.
            waiter.refused_since = None
            return end is None
        return current is poller

    def _refused(self, end: Request | KlingError, since: float | None) -> Request | KlingError:
        if not isinstance(end, Unauthorized):
            return end
        return Unauthorized(
            f"The queue has refused the API key of the connection `{self.gmi_conn_id}` since {_utc(since)}."
            f" The last response: {end.what}",
            todo="Correct the API key or the organization id in the connection, then run this task again: it"
            " waits for the same request and buys nothing.",
        ).about(self.wait.request_id)


def _utc(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or time.time(), tz=UTC).isoformat(timespec="seconds")


def _summary(seen: Request | KlingError | None) -> str:
    if seen is None:
        return "not looked at yet"
    if isinstance(seen, KlingError):
        return seen.what
    age = "" if seen.created_at is None else f", {time.time() - seen.created_at:.0f} s old"
    return f"{seen.status_text or seen.status}{age}"
