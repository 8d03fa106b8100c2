"""Every wait of a connection in this process, in one loop: the triggerer's.

Requests that are due together are read together. Calls, pauses and failures are shared by all waiters.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import time
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from kling_airflow.errors import KlingError, Unauthorized
from kling_airflow.gmi.async_client import AsyncGMIClient
from kling_airflow.gmi.request import Request, Status
from kling_airflow.polling.decision import Wait, checked_interval
from kling_airflow.polling.durations import GenerationDurations
from kling_airflow.polling.limited_calls import LimitedCalls
from kling_airflow.polling.list_scan import ListUsage
from kling_airflow.polling.metrics import NoMetrics, PollMetrics
from kling_airflow.polling.rate_limiter import MAX_CALLS_PER_SECOND, RateLimiter
from kling_airflow.polling.round import YIELD_EVERY, Round
from kling_airflow.polling.schedule import Schedule
from kling_airflow.polling.share import Announce, LimitShare
from kling_airflow.polling.tracked_request import TrackedRequest
from kling_airflow.polling.waiter import Waiter

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 30.0
"""Seconds after its last waiter for which a poller keeps its connection open."""
JITTER: Final = 0.1
"""The part of an interval by which a round may come early, so that processes do not poll in step."""

POLLERS_BY_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[object, Poller]] = WeakKeyDictionary()


def poller_of(
    client: AsyncGMIClient,
    *,
    max_calls_per_second: float = MAX_CALLS_PER_SECOND,
    metrics: PollMetrics | None = None,
    triggerers: int = 1,
    announce: Announce | None = None,
) -> Poller:
    """Return the running loop's poller for the client's base URL, organization and key.

    :param client: becomes the poller's own if there is no such poller yet. Otherwise the client is not used;
        it has opened nothing, so there is nothing to close.
    :param max_calls_per_second: if several waiters name a limit, the lowest counts.
    :param metrics: receives the figures.
    :param triggerers: how many triggerers share the limit, until `announce` has counted them.
    :param announce: tells the other triggerers of this one, and counts them.
    """
    pollers = POLLERS_BY_LOOP.setdefault(asyncio.get_running_loop(), {})
    identity = client.protocol.identity
    poller = pollers.get(identity)
    if poller is None:
        poller = Poller(
            client,
            max_calls_per_second=max_calls_per_second,
            metrics=metrics,
            on_close=lambda: pollers.pop(identity, None),
            triggerers=triggerers,
            announce=announce,
        )
        pollers[identity] = poller
    poller.rate_limiter.lower_max_rate(max_calls_per_second)
    return poller


class Poller:
    """Looks at every request of a connection that has a waiter in this loop.

    :param client: makes the calls; the poller closes it.
    :param max_calls_per_second: of this connection.
    :param metrics: receives the figures.
    :param on_close: called when the poller ends, for whatever reason.
    :param idle_seconds: how long the poller goes on without a waiter.
    :param triggerers: how many triggerers share the limit, until `announce` has counted them.
    :param announce: tells the other triggerers of this one, and counts them; None without a shared store.
    """

    def __init__(
        self,
        client: AsyncGMIClient,
        *,
        max_calls_per_second: float = MAX_CALLS_PER_SECOND,
        metrics: PollMetrics | None = None,
        on_close: Callable[[], object] = lambda: None,
        idle_seconds: float = IDLE_SECONDS,
        triggerers: int = 1,
        announce: Announce | None = None,
    ) -> None:
        self.rate_limiter = RateLimiter(max_calls_per_second)
        self._share = LimitShare(self.rate_limiter, announce, triggerers=triggerers)
        self.durations = GenerationDurations()
        self.schedule = Schedule()
        self.closed = False
        """Whether the poller has ended. After that, :func:`poller_of` returns another one."""
        self.task: asyncio.Task[None] | None = None
        """The running poll; None before the first waiter and after the end."""
        self._client = client
        self._metrics = metrics or NoMetrics()
        self._on_close = on_close
        self._idle_seconds = idle_seconds
        self._calls = LimitedCalls(client, self.rate_limiter, self._metrics)
        self._list_usage: dict[str, ListUsage] = {}
        self._waiters: dict[str, list[Waiter]] = {}
        self._rounds = 0
        self._round_started_at = 0.0
        self._loop_minus_unix = 0.0
        self._interval_factor = 1.0
        self._changed = asyncio.Event()
        # A context of its own: otherwise its log lines would go to the first waiter's task log.
        self._context = contextvars.Context()

    def add_waiter(
        self,
        wait: Wait,
        *,
        model: str,
        interval: float,
        on_look: Callable[[Request | KlingError], None] | None = None,
    ) -> Waiter:
        """Start to look at a request. Use the waiter in `with`, which ends the looks.

        :param model: the request's model: a list call names one.
        :param interval: seconds between two looks.
        :param on_look: gets what each look brought; it must not raise. None for nothing.
        :raises InvalidArgument: for a value that can't be used: it would break the poll of all waiters.
        """
        wait, interval = wait.checked(), checked_interval(interval)
        waiter = Waiter(wait, interval, self._remove, self._context, on_look)
        self._waiters.setdefault(wait.request_id, []).append(waiter)
        next_round_before = self.schedule.next_round_at()
        now = self._now()
        deadline = now + wait.deadline - time.time()
        tracked = self.schedule.add(wait.request_id, model, interval, now, deadline=deadline)
        waiter.next_look_at = tracked.due_at
        if self.schedule.next_round_at() < next_round_before:
            self._changed.set()
        if self.task is None:
            self.task = asyncio.get_running_loop().create_task(
                self._run(), name="kling-poller", context=self._context
            )
        return waiter

    def _remove(self, waiter: Waiter) -> None:
        waiters = self._waiters.get(waiter.wait.request_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if not waiters:
            self._waiters.pop(waiter.wait.request_id, None)
            self.schedule.remove(waiter.wait.request_id)
        if not self._waiters:
            self._changed.set()

    async def _run(self) -> None:
        sharing = asyncio.get_running_loop().create_task(self._share.keep(), name="kling-limit-share")
        try:
            while await self._wait_for_round():
                await self._round()
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                log.exception("The poll broke down; each of its %d waiters is told.", len(self._waiters))
            for waiter in [waiter for waiters in self._waiters.values() for waiter in waiters]:
                waiter.crash(error)
            if not isinstance(error, Exception):
                raise
        finally:
            sharing.cancel()
            self.closed, self.task = True, None
            self._on_close()
            await self._client.close()

    async def _wait_for_round(self) -> bool:
        """Wait until the next round is due; return False after `idle_seconds` without a waiter."""
        while True:
            has_waiters = bool(self._waiters)
            now = self._now()
            due_in = self._idle_seconds
            if has_waiters:
                due_in = max(self.schedule.next_round_at() - now, self.rate_limiter.pause_left(now))
            if due_in <= 0:
                return True
            self._changed.clear()
            try:
                async with asyncio.timeout(due_in):
                    await self._changed.wait()
            except TimeoutError:
                if not has_waiters and not self._waiters:
                    self._metrics.in_flight(0)
                    return False

    async def _round(self) -> None:
        self._rounds += 1
        self._round_started_at = self._now()
        self._loop_minus_unix = self._round_started_at - time.time()
        self._interval_factor = 1.0 - random.uniform(0, JITTER)  # noqa: S311 -- spreads load, hides nothing
        due = self.schedule.due(self._round_started_at)
        self.schedule.start_round(self._round_started_at)
        round_ = Round(self._calls, self.schedule.tracked, self._list_usage, self._record_look, self._rounds)
        without_look = await round_.run(due)
        if round_.stopped_by is not None:
            await self._share_failure(without_look, round_.stopped_by)
        self.schedule.end_round()
        self._metrics.in_flight(len(self.schedule))

    async def _share_failure(self, without_look: list[TrackedRequest], error: KlingError) -> None:
        """Let one failure stand for all requests without a look, and a refused key for all requests."""
        key_refused = isinstance(error, Unauthorized)
        told = list(self.schedule.tracked.values()) if key_refused else without_look
        for number, tracked in enumerate(told):
            if key_refused:  # also sets when the key is tried again
                self._record_look(tracked, _copy_for(error, tracked.request_id), None)
            else:
                self._inform(tracked, error)
            if number % YIELD_EVERY == YIELD_EVERY - 1:
                await asyncio.sleep(0)

    def _record_look(
        self, tracked: TrackedRequest, seen: Request | KlingError, served_at: float | None
    ) -> None:
        """Take in a look, and decide when the next one is due."""
        likely_end_in = 0.0
        if isinstance(seen, Request):
            if seen.status.terminal:
                self._record_end(tracked, seen, served_at)
            else:
                tracked.record_active()
                likely_end_in = self._likely_end_in(tracked, seen, served_at)
        deadlines = [waiter.wait.deadline for waiter in self._waiters.get(tracked.request_id, ())]
        deadline = min(deadlines) + self._loop_minus_unix if deadlines else self._round_started_at
        tracked.record_look(
            self._round_started_at,
            tracked.interval * self._interval_factor,
            deadline=deadline,
            likely_end_in=likely_end_in,
        )
        self._inform(tracked, seen)

    def _likely_end_in(self, tracked: TrackedRequest, request: Request, served_at: float | None) -> float:
        if served_at is None or request.created_at is None:
            return 0.0
        key = (request.model or tracked.model, request.duration)
        age = served_at - request.created_at
        return self.durations.likely_end_in(key, age, tracked.interval, self._round_started_at)

    def _inform(self, tracked: TrackedRequest, seen: Request | KlingError) -> None:
        all_done = True
        for waiter in self._waiters.get(tracked.request_id, ()):
            waiter.next_look_at = tracked.due_at
            try:
                done = waiter.done or waiter.record_look(seen, self._calls.last_response_at)
            except Exception as error:  # whatever a waiter brings, only its own wait ends
                log.exception("A look at request %s can't be recorded.", tracked.request_id)
                waiter.crash(error)
                done = True
            all_done = done and all_done
        if all_done:
            self.schedule.remove(tracked.request_id)

    def _record_end(self, tracked: TrackedRequest, request: Request, served_at: float | None) -> None:
        created, ended = request.created_at, request.updated_at
        model = request.model or tracked.model
        if ended is not None and created is not None:
            self.durations.record((model, request.duration), ended - created, self._round_started_at)
            if request.status is Status.SUCCESS:
                self._metrics.generated(model, request.duration, ended - created)
        if ended is not None and served_at is not None and tracked.seen_active:
            self._metrics.noticed(max(0.0, served_at - ended))

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _copy_for(error: KlingError, request_id: str) -> KlingError:
    """Return the same error for another request: a separate object, because each one may be raised."""
    return type(error)(error.what, money=error.money, todo=error.todo, request_id=request_id)
