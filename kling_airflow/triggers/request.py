"""The trigger that waits for a request. It holds no worker slot."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from kling_airflow.arguments import switch_or_none
from kling_airflow.errors import InvalidArgument, KlingError
from kling_airflow.gmi.json_values import plain_text
from kling_airflow.models import IMAGE_TO_VIDEO
from kling_airflow.polling.decision import Wait, checked_interval, to_event
from kling_airflow.polling.log_lines import say
from kling_airflow.redaction import shown_value
from kling_airflow.triggers.request_wait import summary

if TYPE_CHECKING:
    from kling_airflow.gmi.request import Request

LOG_EVERY: Final = 60.0
"""Seconds between two progress lines in the task's log."""
MAX_ID_CHARACTERS: Final = 250
"""Length of an id in Airflow's database."""


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
    :param trace: the task's place in its trace (W3C ``traceparent``); None if tracing is off.
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
        trace: str | None = None,
        **tolerated: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.cancel_on_kill = cancel_on_kill
        self._fired = False
        self.gmi_conn_id = gmi_conn_id
        self.model = model
        self.poll_interval = poll_interval
        self.trace = trace
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
                **({} if self.trace is None else {"trace": self.trace}),
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
            until = datetime.fromtimestamp(self.wait.deadline, tz=UTC).isoformat(timespec="seconds")
            await say(log.info, "Waiting for request %s until %s", self.wait.request_id, until)
            end = await self._end()
        over = "The wait for request %s is over: %s"
        await say(log.info, over, plain_text(self.wait.request_id), summary(end))
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
        from kling_airflow.triggers.request_wait import RequestWait

        return await RequestWait(
            self.gmi_conn_id,
            self.wait,
            model=self.model,
            poll_interval=self.poll_interval,
            log=self.logger(),
            log_every=LOG_EVERY,
            ti=self.task_instance,
            trace=self.trace,
        ).end()
