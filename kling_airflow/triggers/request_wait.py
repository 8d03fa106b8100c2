"""The wait for one request in the triggerer, over the poller of its connection."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from kling_airflow.errors import KlingError, PollerCrashed, Unauthorized
from kling_airflow.polling.log_lines import say

if TYPE_CHECKING:
    from kling_airflow.gmi.request import Request
    from kling_airflow.hooks.wait_span import WaitSpan
    from kling_airflow.polling.decision import Wait
    from kling_airflow.polling.poller import Poller
    from kling_airflow.polling.waiter import Waiter

POLLER_STARTS: Final = 3
"""How many pollers may break down before the wait fails."""


class RequestWait:
    """Waits for one request; many of them share the poller of their connection.

    :param gmi_conn_id: the connection's id.
    :param wait: the request, and until when.
    :param model: the request's model.
    :param poll_interval: seconds between two looks.
    :param log: the task's log.
    :param log_every: seconds between two lines about the request's progress; infinity for none.
    :param ti: the waiting task instance, as its trigger knows it; None if the trigger knows none.
    :param trace: the place in a trace that the task has written down; None if it has not.
    :param shot: the name of a storyboard's take; None if there is none.
    :param began_at: when the wait began, in Unix seconds, if other triggers have waited before; None for
        the begin of ``wait``.
    """

    def __init__(
        self,
        gmi_conn_id: str,
        wait: Wait,
        *,
        model: str,
        poll_interval: float,
        log: Any,
        log_every: float,
        ti: Any = None,
        trace: str | None = None,
        shot: str | None = None,
        began_at: float | None = None,
    ) -> None:
        self.gmi_conn_id = gmi_conn_id
        self.wait = wait
        self.model = model
        self.poll_interval = poll_interval
        self.log = log
        self.log_every = log_every
        self.ti, self.trace, self.shot, self.began_at = ti, trace, shot, began_at
        self._span: WaitSpan | None = None

    async def end(self) -> Request | KlingError:
        """Return the request when its clip is there, or the error that ends the wait.

        :raises PollerCrashed: if several pollers broke down.
        """
        try:
            end = await self._end()
        except PollerCrashed as error:
            self._trace_end(error)
            raise
        self._trace_end(end)
        return end

    def _traced(self) -> WaitSpan | None:
        """Return the wait's span, None if tracing is off. Its modules are there after ``connect``."""
        from kling_airflow.hooks.wait_span import WaitSpan

        if self._span is None:
            self._span = WaitSpan.of(
                self.wait,
                model=self.model,
                connection=self.gmi_conn_id,
                shot=self.shot,
                began_at=self.began_at,
                under=self.trace,
            )
        return self._span

    def _trace_end(self, end: Request | KlingError) -> None:
        if (span := self._traced()) is not None:
            span.end(end, {"ti": self.ti})

    async def _end(self) -> Request | KlingError:
        from kling_airflow.triggers.poller_connection import connect

        starts = 0
        while True:
            poller = await connect(self.gmi_conn_id, self.wait, self.poll_interval, self.log)
            if isinstance(poller, KlingError):
                return poller
            try:
                end = await self._wait_with(poller)
            except PollerCrashed:
                starts += 1
                if starts == POLLER_STARTS:
                    raise
                self.log.exception("The trigger goes on waiting with a new poller.")
                await asyncio.sleep(self.poll_interval)
                continue
            if end is not None:
                return end
            changed = "The connection `%s` has changed; the wait goes on with it."
            await say(self.log.info, changed, self.gmi_conn_id)

    async def _wait_with(self, poller: Poller) -> Request | KlingError | None:
        """Return what ended the wait, or None if the connection has another key than this poller."""
        loop, refusal_logged_at = asyncio.get_running_loop(), -math.inf
        within = min(self.log_every, _LONGEST)
        span = self._traced()
        with poller.add_waiter(
            self.wait,
            model=self.model,
            interval=self.poll_interval,
            on_look=None if span is None else span.look,
        ) as waiter:
            while True:
                end = await waiter.result(within=within)
                refused = isinstance(waiter.last_seen, Unauthorized)
                if refused and not await self._key_is_current(poller, waiter, end):
                    return None
                if end is not None:
                    return self._refused(end, waiter.refused_since) if refused else end
                if math.isinf(self.log_every) or (
                    refused and loop.time() - refusal_logged_at < self.log_every
                ):
                    continue
                refusal_logged_at = loop.time() if refused else -math.inf
                next_look = max(0.0, (waiter.next_look_at or 0.0) - loop.time())
                line = "%s: %s; next look in %.0f s"
                await say(self.log.info, line, self.wait.request_id, summary(waiter.last_seen), next_look)

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


_LONGEST: Final = 60.0
"""Seconds between two wakes of a wait that logs nothing."""


def summary(seen: Request | KlingError | None) -> str:
    """Return what a look brought, in a few words for the log."""
    if seen is None:
        return "not looked at yet"
    if isinstance(seen, KlingError):
        return seen.what
    age = "" if seen.created_at is None else f", {time.time() - seen.created_at:.0f} s old"
    return f"{seen.status_text or seen.status}{age}"


def _utc(seconds: float | None) -> str:
    return datetime.fromtimestamp(seconds or time.time(), tz=UTC).isoformat(timespec="seconds")
