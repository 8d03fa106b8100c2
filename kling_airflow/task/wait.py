"""The wait for a request inside a task, written once for operators and sensors.

The task asks the queue once. If the clip isn't there yet, the task defers to the triggerer, or it asks
again and again on the worker.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.errors import KlingError, Money, Unauthorized, Unreachable
from kling_airflow.polling.decision import Wait
from kling_airflow.task.refusals import Refusals

if TYPE_CHECKING:
    from kling_airflow.airflow_compat import BaseOperator
    from kling_airflow.gmi.request import Request
    from kling_airflow.hooks.gmi import GMICloudHook
    from kling_airflow.submission.order import Log
    from kling_airflow.task.stop_flag import StopFlag

DEFERRAL_SLACK: Final = timedelta(minutes=5)
"""How much longer than the trigger's own deadline Airflow waits for the trigger. Airflow's timeout is only a
safety net: the trigger keeps the deadline itself and says what happened."""


def begin_wait(
    request_id: str,
    *,
    timeout: float,
    unreachable_after: float,
    started_at: float | None = None,
    submitted_at: float | None = None,
) -> Wait:
    """Return a wait for a request; all durations are seconds.

    :param timeout: when the wait gives up, counted from its start.
    :param unreachable_after: time without any good response after which the wait gives up.
    :param started_at: when the wait began, in Unix seconds; None for now.
    :param submitted_at: when the queue took the request, in Unix seconds; None if that isn't known.
    """
    started_at = time.time() if started_at is None else started_at
    return Wait(
        request_id=request_id,
        started_at=started_at,
        deadline=started_at + timeout,
        unreachable_after=unreachable_after,
        submitted_at=submitted_at,
    )


def defer_until_done(
    task: BaseOperator,
    wait: Wait,
    *,
    gmi_conn_id: str,
    model: str,
    poll_interval: float,
    cancel_on_kill: bool = False,
    kwargs: Mapping[str, Any] | None = None,
    context: Mapping[str, Any],
    trace: str | None = None,
) -> None:
    """Defer a task until the wait is over; its ``execute_complete`` then gets the trigger's event.

    :param gmi_conn_id: the queue's connection.
    :param model: the request's model; the triggerer needs it to read many requests with one list call.
    :param poll_interval: seconds between two polls of one request.
    :param cancel_on_kill: cancel the request when a user ends the waiting task.
    :param kwargs: what ``execute_complete`` gets besides; plain JSON.
    :param context: the task's context.
    :param trace: the place in the task's trace that the wait belongs to; None for the task's own.
    """
    from kling_airflow.hooks.tracing import place
    from kling_airflow.triggers.request import GMICloudRequestTrigger

    task.defer(
        trigger=GMICloudRequestTrigger(
            gmi_conn_id=gmi_conn_id,
            request_id=wait.request_id,
            model=model,
            poll_interval=poll_interval,
            started_at=wait.started_at,
            deadline=wait.deadline,
            unreachable_after=wait.unreachable_after,
            cancel_on_kill=cancel_on_kill,
            trace=trace or place(context),
        ),
        method_name="execute_complete",
        kwargs=dict(kwargs) if kwargs else None,
        timeout=timedelta(seconds=wait.deadline - wait.started_at) + DEFERRAL_SLACK,
    )


class WorkerWait:
    """The part of a wait that runs on a worker.

    :param wait: the request and the deadlines.
    :param hook: the queue's connection; it is read again when the queue refuses its key.
    :param log: where each poll is told.
    :param poll_interval: seconds between two polls.
    :param refusals: since when the key is refused, if another process of this wait has seen that.
    :param model: the request's model.
    :param context: the task's context, in whose trace the wait has a span.
    :param trace: the place in that trace that the wait belongs to; None for the task's own.
    :param shot: the name of a storyboard's take; None if there is none.
    :param began_at: when the wait began, in Unix seconds, if this is one poll of many; None for now.
    """

    def __init__(
        self,
        wait: Wait,
        hook: GMICloudHook,
        log: Log,
        *,
        poll_interval: float,
        refusals: Refusals | None = None,
        model: str | None = None,
        context: Mapping[str, Any] | None = None,
        trace: str | None = None,
        shot: str | None = None,
        began_at: float | None = None,
    ) -> None:
        from kling_airflow.hooks.wait_span import WaitSpan

        self.wait = wait
        self.hook = hook
        self.log = log
        self.poll_interval = poll_interval
        self.last_error: KlingError | None = None
        """What the last poll met; None if the queue answered about the request."""
        self._last_response_at: float | None = None
        self._retry_after: float | None = None
        self._refusals = refusals or Refusals()
        self._span = WaitSpan.of(
            wait,
            model=model,
            connection=hook.gmi_conn_id,
            shot=shot,
            under=trace,
            began_at=began_at,
        )
        self._context = context or {}

    def poll(self) -> Request | None:
        """Ask the queue once; return the request if its clip is there, None if the wait goes on.

        :raises KlingError: the error that ends the wait.
        """
        try:
            request = self._poll()
        except KlingError as error:
            self._trace_end(error)
            raise
        if request is not None:
            self._trace_end(request)
        return request

    def _trace_end(self, end: Request | KlingError) -> None:
        if self._span is not None:
            self._span.end(end, self._context, flush=True)

    def _poll(self) -> Request | None:
        seen = self._ask()
        if self._span is not None:
            self._span.look(seen)
        self.last_error = seen if isinstance(seen, KlingError) else None
        now = time.time()
        end = self.wait.decide(
            seen,
            now=now,
            last_response_at=self._last_response_at,
            refused_since=self._refusals.since,
        )
        if isinstance(end, Unauthorized) and self._refusals.since is not None:
            raise refused_too_long(end, self.hook.gmi_conn_id, self._refusals.since)
        if isinstance(end, KlingError):
            raise end
        if end is not None:
            return end
        if isinstance(seen, KlingError):
            self.log.warning("Request %s: %s Waiting on.", self.wait.request_id, seen.what)
        else:
            self._last_response_at = now
            self.log.info("Request %s is %s.", self.wait.request_id, seen.status_text)
        self._retry_after = seen.retry_after if isinstance(seen, Unreachable) else None
        return None

    def _ask(self) -> Request | KlingError:
        """Read the request; with the connection's present key if the queue refuses the one that was read."""
        seen = self._read()
        if isinstance(seen, Unauthorized) and self._reconnected():
            seen = self._read()
        self._refusals.record(self.hook, refused=isinstance(seen, Unauthorized))
        return seen

    def _read(self) -> Request | KlingError:
        try:
            return self.hook.get_conn().get(self.wait.request_id)
        except KlingError as error:
            return error

    def _reconnected(self) -> bool:
        """Read the connection again; return whether it has another key, address or organization now."""
        try:
            return self.hook.reconnect()
        except Exception as error:
            # Its text stays out: what a secrets backend says may hold secrets.
            name, kind = self.hook.gmi_conn_id, type(error).__name__
            self.log.warning("The connection `%s` can't be read now (%s).", name, kind)
            return False

    def until_done(self, stop: StopFlag, *, defer: Callable[[], None] | None) -> Request:
        """Return the request when its clip is there.

        :param stop: set when the task is told to end.
        :param defer: called after the first poll, to give the worker slot back; None to stay on the worker.
        :raises KlingError: the error that ends the wait.
        :raises Stopped: if the task was told to end.
        """
        while True:
            stop.check()
            request = self.poll()
            if request is not None:
                return request
            if defer is not None:
                defer()
            stop.sleep(self._pause())

    def _pause(self) -> float:
        """Return the seconds until the next poll."""
        return self.wait.next_look(time.time(), self.poll_interval, retry_after=self._retry_after)


def refused_too_long(error: Unauthorized, gmi_conn_id: str, since: float) -> Unauthorized:
    """Return the error of a wait that ends because the queue refuses the connection's present key.

    :param since: when the queue first refused that key, in Unix seconds.
    """
    from kling_airflow.submission.record import clock

    return Unauthorized(
        f"The queue has refused the present key of the connection `{gmi_conn_id}` since {clock(since)}:"
        f" {error.what}",
        money=Money.HELD,
        todo="Put the right key into the connection, then run this task again: it waits for the same request"
        " and buys nothing.",
        request_id=error.request_id,
    )
